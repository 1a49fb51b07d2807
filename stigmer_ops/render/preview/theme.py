"""The colours of a page, by themselves: `--help` names them without loading anything else."""

from __future__ import annotations

from enum import StrEnum


class Theme(StrEnum):
    """Which colours the page has; on paper they are always light."""

    AUTO = "auto"
    """As the browser is set."""
    LIGHT = "light"
    DARK = "dark"
