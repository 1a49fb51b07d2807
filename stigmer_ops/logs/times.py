"""The times of log lines, in the notations that the services and their carriers use.

Two things may be missing from a time: its zone (Go's and Python's loggers write local time without
saying so) and its date (zerolog's console shows `10:11AM`, syslog no year). The zone is what the
person says, UTC otherwise. The date is that of the last dated line above; where there is none, the
file's last line is taken to be about as old as the file, and days are counted from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_TIME = re.compile(
    rf"(?<!\d)(?:(?P<iso>\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?)"
    rf"|(?P<go>\d{{4}}/\d\d/\d\d {_CLOCK})"
    rf"|(?P<syslog>(?:{'|'.join(_MONTHS)}) [ \d]\d {_CLOCK})"
    rf"|(?P<clock>{_CLOCK})"
    r"|(?P<kitchen>\d{1,2}:\d\d[AP]M))(?!\d)"
)
_HEAD_LENGTH = 200
"""How far into a line its time is looked for: carriers put prefixes before it."""

# A clock that runs back by less is a line out of order, by more a new day.
_HALF_A_DAY = timedelta(hours=12)

_EPOCH_UNITS = (1e17, 1e9), (1e14, 1e6), (1e11, 1e3)
"""From which size on a number counts nanoseconds, microseconds, milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class LineTime:
    """When a line was written.

    Attributes:
        at: The time, in UTC.
        day_counted: The day was counted from the file's age (`LineClock.correction` corrects it).
        to_the_minute: The notation has no seconds.
    """

    at: datetime
    day_counted: bool = False
    to_the_minute: bool = False


class LineClock:
    """Reads the times of one file's lines, from top to bottom.

    Args:
        zone: The zone of times that name none.
        written: When the file was last written.
    """

    def __init__(self, zone: tzinfo, written: datetime) -> None:
        self._zone = zone
        self._written = written.astimezone(zone)
        self._last: datetime | None = None
        self._last_counted: datetime | None = None
        self._dated = False
        self._new_days = 0

    @property
    def correction(self) -> timedelta:
        """What to add, at the end of the file, to times whose day was counted.

        While reading, the first such line was given the day of the file's age. Each new day met
        since then means that it was written one day earlier; and so does a last line that would
        then be in the file's future.
        """
        correction = timedelta(days=-self._new_days)
        if self._last_counted and self._last_counted + correction - self._written > _HALF_A_DAY:
            correction -= timedelta(days=1)
        return correction

    def read(self, head: str, field: str | float | None = None) -> LineTime | None:
        """The time of a line, None if it has none that can be read.

        Args:
            head: The beginning of the line, up to its message.
            field: The time field of a JSON line.
        """
        if isinstance(field, int | float):
            return self._settled(_from_epoch(field))
        match = _TIME.search(field if field is not None else head[:_HEAD_LENGTH])
        if match is None or match.lastgroup is None:
            return None
        try:
            return _NOTATIONS[match.lastgroup](self, match[0])
        except (ValueError, OverflowError):  # 25:61, or the 31st of February
            return None

    def _iso(self, text: str) -> LineTime | None:
        parsed = datetime.fromisoformat(text)
        return self._settled(parsed if parsed.tzinfo else parsed.replace(tzinfo=self._zone))

    def _go(self, text: str) -> LineTime | None:
        return self._iso(text.replace("/", "-"))

    def _syslog(self, text: str) -> LineTime | None:
        month, day = _MONTHS.index(text[:3]) + 1, int(text[4:6])
        on = datetime.combine(date(self._written.year, month, day), _clock_of(text[7:]), self._zone)
        if on > self._written + timedelta(days=1):
            on = on.replace(year=on.year - 1)
        return self._settled(on)

    def _clock(self, text: str) -> LineTime | None:
        return self._undated(_clock_of(text))

    def _kitchen(self, text: str) -> LineTime | None:
        hour, minute = text[:-2].split(":")
        afternoon = 12 if text.endswith("PM") else 0
        return self._undated(time(int(hour) % 12 + afternoon, int(minute)), to_the_minute=True)

    def _settled(self, at: datetime | None) -> LineTime | None:
        if at is None:
            return None
        self._last, self._dated = at.astimezone(self._zone), True
        return LineTime(at.astimezone(UTC))

    def _undated(self, clock: time, *, to_the_minute: bool = False) -> LineTime:
        last = self._last or datetime.combine(self._written.date(), clock, self._zone)
        at = datetime.combine(last.date(), clock, self._zone)
        if last - at > _HALF_A_DAY:
            at += timedelta(days=1)
            self._new_days += not self._dated
        self._last = at
        if not self._dated:
            self._last_counted = at
        return LineTime(at.astimezone(UTC), not self._dated, to_the_minute)


_NOTATIONS: dict[str, Callable[[LineClock, str], LineTime | None]] = {
    "iso": LineClock._iso,
    "go": LineClock._go,
    "syslog": LineClock._syslog,
    "clock": LineClock._clock,
    "kitchen": LineClock._kitchen,
}


def _clock_of(text: str) -> time:
    return time.fromisoformat(text.replace(",", "."))


def _from_epoch(number: float) -> datetime | None:
    try:
        unit = next((per_second for size, per_second in _EPOCH_UNITS if abs(number) >= size), 1.0)
        return datetime.fromtimestamp(number / unit, UTC)
    except (ValueError, OverflowError, OSError):
        return None
