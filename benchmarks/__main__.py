"""`make bench`: every benchmark, each against a named opponent in the same run.

`python -m benchmarks [SCALE] [NAME…]`: a scale below 1 makes them smaller.
"""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = ("pending", "diagnose", "apply", "durable", "correlate", "lint", "exporter")


def main() -> None:
    """Run the named ones, or all."""
    arguments = sys.argv[1:]
    scale = float(arguments.pop(0)) if arguments and arguments[0][0].isdigit() else 1.0
    for name in arguments or BENCHMARKS:
        for line in importlib.import_module(f"benchmarks.{name}").run(scale):
            print(line, flush=True)


if __name__ == "__main__":
    main()
