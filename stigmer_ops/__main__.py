"""`stigmer-ops`, and `python -m stigmer_ops`: what has to be there before the rest is loaded."""

from __future__ import annotations

import sys


def main() -> int:
    """Load the command line and run it; returns the exit code.

    Loading takes a tenth of a second, in which a person may press Ctrl-C already.
    """
    try:
        from stigmer_ops.cli.main import main as run  # noqa: PLC0415 - within the try
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130  # ExitCode.INTERRUPTED, which may not be loaded yet
    return run()


if __name__ == "__main__":
    sys.exit(main())
