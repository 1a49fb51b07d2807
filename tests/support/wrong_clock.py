"""stigmer-ops on a machine whose clock is wrong.

python -m support.wrong_clock SECONDS pending list ...
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.main import main

if __name__ == "__main__":
    ahead = timedelta(seconds=float(sys.argv[1]))
    right = Invocation.machine_time

    def wrong(self: Invocation) -> datetime:
        return right(self) + ahead

    Invocation.machine_time = wrong  # type: ignore[method-assign]
    sys.argv = ["stigmer-ops", *sys.argv[2:]]
    sys.exit(main())
