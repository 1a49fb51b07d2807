"""`python -m stigmer_ops` is `stigmer-ops`."""

import sys

from stigmer_ops.cli.main import main

sys.exit(main())
