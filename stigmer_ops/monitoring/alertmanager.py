"""Silences in a running Alertmanager, by its API v2. This is the only module that speaks to one.

The API is that of https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml; answers
were looked at on 0.25.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from stigmer_ops.errors import DeniedError, InputError, StigmerOpsError, UnavailableError
from stigmer_ops.monitoring.http_api import base_url, reason_of, without_credentials

_HOW = "check monitoring.alertmanager in stigmer-ops config show"
_MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Matcher:
    """What the label of an alert must be, or must not be, for a silence to hold for it."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True

    def __str__(self) -> str:
        operator = ("=~" if self.regex else "=") if self.equal else ("!~" if self.regex else "!=")
        value = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}{operator}"{value}"'


def matchers_of(text: str) -> tuple[Matcher, ...]:
    """The matchers of `a="b",c=~"d.*"`, as the settings hold them."""
    return tuple(
        Matcher(
            name,
            re.sub(r"\\(.)", r"\1", value),
            regex=operator in ("=~", "!~"),
            equal=operator in ("=", "=~"),
        )
        for name, operator, value in _MATCHER.findall(text)
    )


def any_of(label: str, values: Sequence[str]) -> Matcher:
    """A matcher for a label that is one of `values`; Alertmanager anchors the expression."""
    return Matcher(label, "|".join(re.escape(value) for value in values), regex=True)


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence as Alertmanager keeps it.

    Attributes:
        id: Its UUID; empty before it is created.
        matchers: Which alerts it is for: those for which all of them hold.
        starts: From when.
        ends: Until when.
        created_by: Who.
        comment: Why.
        state: active, pending or expired; empty before it is created.
    """

    matchers: tuple[Matcher, ...]
    starts: datetime
    ends: datetime
    created_by: str
    comment: str
    id: str = ""
    state: str = ""


class Alertmanager:
    """An Alertmanager, or anything that speaks its API.

    Args:
        url: Its base URL, http(s)://host:port; a user and password in it are sent and never shown.
        timeout: For each answer.

    Raises:
        InputError: It is no such URL.
    """

    def __init__(self, url: str, timeout: timedelta) -> None:
        self._url = base_url(url, "Alertmanager")
        self._timeout = timeout
        self._session = requests.Session()

    @property
    def shown_url(self) -> str:
        """The base URL without user and password."""
        return without_credentials(self._url)

    def silences(self) -> list[Silence]:
        """All silences, the expired ones that it still keeps among them.

        Raises:
            StigmerOpsError: It cannot be reached, or refuses us.
        """
        records = self._ask("GET", "silences")
        if not isinstance(records, list):
            raise self._not_alertmanager()
        return [_silence(record) for record in records]

    def silence(self, silence_id: str) -> Silence | None:
        """One silence; None where Alertmanager does not know it any more.

        Raises:
            StigmerOpsError: It cannot be reached, or refuses us.
        """
        record = self._ask("GET", f"silence/{silence_id}", or_none=404)
        return None if record is None else _silence(record)

    def create(self, silence: Silence) -> str:
        """Create a silence; its id.

        Raises:
            InputError: Alertmanager refuses what it is to be.
            StigmerOpsError: It cannot be reached, or refuses us.
        """
        body = {
            "matchers": [
                {"name": m.name, "value": m.value, "isRegex": m.regex, "isEqual": m.equal}
                for m in silence.matchers
            ],
            "startsAt": _stamp(silence.starts),
            "endsAt": _stamp(silence.ends),
            "createdBy": silence.created_by,
            "comment": silence.comment,
        }
        answer = self._ask("POST", "silences", body)
        if not isinstance(answer, dict) or "silenceID" not in answer:
            raise self._not_alertmanager()
        return str(answer["silenceID"])

    def expire(self, silence_id: str) -> None:
        """End a silence that is active or pending.

        Raises:
            StigmerOpsError: It cannot be reached, or refuses us.
        """
        self._ask("DELETE", f"silence/{silence_id}")

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        or_none: int | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        url, seconds = f"{self._url}/api/v2/{path}", self._timeout.total_seconds()
        try:
            response = self._session.request(method, url, json=body, timeout=seconds)
            if response.status_code == or_none:
                return None
            if not response.ok:
                raise self._error_of(response)
            return response.json() if response.content else None
        except requests.Timeout as error:
            raise UnavailableError(
                f"Alertmanager at {self.shown_url} did not answer within {seconds:g} s",
                next_step=_HOW,
            ) from error
        except (requests.JSONDecodeError, RecursionError) as error:
            raise self._not_alertmanager() from error
        except requests.RequestException as error:
            raise UnavailableError(
                f"cannot reach Alertmanager at {self.shown_url}: {reason_of(error)}",
                next_step=_HOW,
            ) from error
        except ValueError as error:  # a number of more digits than Python converts
            raise self._not_alertmanager() from error

    def _not_alertmanager(self) -> UnavailableError:
        return UnavailableError(
            f"{self.shown_url} answers, but not as Alertmanager does", next_step=_HOW
        )

    def _error_of(self, response: requests.Response) -> StigmerOpsError:
        status = f"{response.status_code} {response.reason}"
        if response.status_code in (401, 403):
            return DeniedError(f"{self.shown_url} refuses us: {status}", next_step=_HOW)
        told = " ".join(response.text.split())[:300].strip('"')
        if response.status_code in (400, 422):
            return InputError(f"Alertmanager refuses the silence: {told or status}", next_step=_HOW)
        return UnavailableError(f"{self.shown_url} answers {status}", next_step=_HOW)


def _silence(record: Any) -> Silence:  # noqa: ANN401 - JSON
    try:
        return Silence(
            id=str(record["id"]),
            matchers=tuple(
                Matcher(
                    str(m["name"]),
                    str(m["value"]),
                    regex=bool(m["isRegex"]),
                    equal=bool(m.get("isEqual", True)),
                )
                for m in record["matchers"]
            ),
            starts=datetime.fromisoformat(record["startsAt"]).astimezone(UTC),
            ends=datetime.fromisoformat(record["endsAt"]).astimezone(UTC),
            created_by=str(record["createdBy"]),
            comment=str(record["comment"]),
            state=str(record["status"]["state"]),
        )
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UnavailableError(
            "what answers as Alertmanager sent a silence that is none", next_step=_HOW
        ) from error


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
