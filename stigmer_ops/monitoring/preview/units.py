"""Numbers as Grafana writes them: three digits, and a unit that fits the size.

The units are those of packages/grafana-data/src/valueFormats/categories.ts; one that is not known
here stands behind the number as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

Formatter = Callable[[float, int | None], str]

_DIGITS = 3


def formatted(value: float, unit: str, decimals: int | None = None) -> str:
    """`value` with its unit; `decimals` None for three digits."""
    if not math.isfinite(value):
        return number(value)
    formatter = _FORMATTERS.get(unit)
    if formatter is not None:
        return formatter(value, decimals)
    return f"{number(value, decimals)} {unit}".rstrip()


def number(value: float, decimals: int | None = None) -> str:
    """`value` alone: whole numbers without decimals, others with three digits."""
    if not math.isfinite(value):  # a percentage of the largest numbers is not
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if decimals is None:
        decimals = 0 if value == round(value) else _decimals_for(value)
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _decimals_for(value: float) -> int:
    return max(0, _DIGITS - 1 - math.floor(math.log10(abs(value))))


def _scaled(factor: float, suffixes: Sequence[str], after: str = "") -> Formatter:
    def write(value: float, decimals: int | None) -> str:
        power = 0 if value == 0 else math.floor(math.log(abs(value), factor) + 1e-12)
        power = min(max(power, 0), len(suffixes) - 1)
        return f"{number(value / factor**power, decimals)}{suffixes[power]}{after}"

    return write


def _suffixed(suffix: str, factor: float = 1) -> Formatter:
    # Rounded, for 0.07 * 100 is not 7.
    return lambda value, decimals: number(round(value * factor, 9), decimals) + suffix


_TIMES = (
    (1e-6, 1e-9, " ns"),
    (1e-3, 1e-6, " µs"),
    (1, 1e-3, " ms"),
    (60, 1, " s"),
    (3600, 60, " mins"),
    (86_400, 3600, " hours"),
    (604_800, 86_400, " days"),
    (31_536_000, 604_800, " weeks"),
    (math.inf, 31_536_000, " years"),
)
"""Below how many seconds a unit is used, how many seconds it has, and its name."""


def _time(scale: float) -> Formatter:
    def write(value: float, decimals: int | None) -> str:
        size = value * scale
        if size == 0:
            return "0 s" if scale == 1 else "0 ms"
        _, length, name = next(each for each in _TIMES if abs(size) < each[0])
        if size == length:
            name = name.removesuffix("s") if length >= 60 else name
        return number(round(size / length, 9), decimals) + name

    return write


def _yes_no(value: float, _decimals: int | None) -> str:
    return "Yes" if value else "No"


def _iso(value: float, _decimals: int | None) -> str:
    try:
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "Invalid date"


_THOUSANDS = ("", " K", " Mil", " Bil", " Tri")
_COUNTS = ("", "K", "M", "B", "T")
_SI = (" B", " kB", " MB", " GB", " TB", " PB")
_IEC = (" B", " KiB", " MiB", " GiB", " TiB", " PiB")

_FORMATTERS: Mapping[str, Formatter] = {
    "": _suffixed(""),
    "none": _suffixed(""),
    "short": _scaled(1000, _THOUSANDS),
    "percent": _suffixed("%"),
    "percentunit": _suffixed("%", 100),
    "s": _time(1),
    "ms": _time(1e-3),
    "µs": _time(1e-6),
    "ns": _time(1e-9),
    "cps": _scaled(1000, _COUNTS, " c/s"),
    "ops": _scaled(1000, _COUNTS, " ops/s"),
    "reqps": _scaled(1000, _COUNTS, " req/s"),
    "rps": _scaled(1000, _COUNTS, " rd/s"),
    "wps": _scaled(1000, _COUNTS, " wr/s"),
    "iops": _scaled(1000, _COUNTS, " io/s"),
    "bytes": _scaled(1024, _IEC),
    "decbytes": _scaled(1000, _SI),
    "Bps": _scaled(1000, [f"{suffix}/s" for suffix in _SI]),
    "bool_yes_no": _yes_no,
    "dateTimeAsIso": _iso,
}
