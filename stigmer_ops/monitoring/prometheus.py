"""Questions to a running Prometheus. This is the only module that speaks to one.

prometheus-api-client asks (its HTTP API is https://prometheus.io/docs/prometheus/latest/querying/api),
without the retries that it has by default: a person waits, and an answer later is no better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from stigmer_ops.errors import DeniedError, InputError, StigmerOpsError, UnavailableError
from stigmer_ops.monitoring.http_api import base_url, reason_of, without_credentials
from stigmer_ops.monitoring.loaded_rules import LoadedRule, loaded_rules

T = TypeVar("T")

_NO_ANSWER = (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
"""What reading an answer raises that is not Prometheus': JSON of another form, or none."""
_HOW = "check --prometheus, or monitoring.prometheus in stigmer-ops config show"


@dataclass(frozen=True, slots=True)
class Sample:
    """A series at one instant; a scalar has no labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Line:
    """A series over a range: seconds since 1970 and value, in order, gaps left out."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class QueryError(InputError):
    """Prometheus cannot evaluate an expression. The message is its own."""

    reference = "bad-query"


class Prometheus:
    """A Prometheus, or anything that speaks its HTTP API.

    Args:
        url: Its base URL, http(s)://host:port; a user and password in it are sent and never shown.
        timeout: For each answer.

    Raises:
        InputError: It is no such URL.
    """

    def __init__(self, url: str, timeout: timedelta) -> None:
        self.url = base_url(url, "Prometheus")
        self._timeout = timeout
        session = requests.Session()
        session.hooks["response"].append(self._check)
        self._session = session
        self._client = PrometheusConnect(
            url=self.url,
            session=session,
            # As in requests itself; without read=False a timeout looks like a lost connection.
            retry=Retry(0, read=False),
            timeout=timeout.total_seconds(),
        )

    @property
    def shown_url(self) -> str:
        """The base URL without user and password."""
        return without_credentials(self.url)

    def require_healthy(self) -> None:
        """Ask its management API whether it is well.

        Raises:
            StigmerOpsError: It is not, cannot be reached, or refuses us.
        """
        url, seconds = f"{self.url}/-/healthy", self._timeout.total_seconds()
        self._ask(lambda: self._session.get(url, timeout=seconds))

    def query(self, expr: str, at: datetime | None = None) -> list[Sample]:
        """The value of `expr` at an instant, now unless given; a scalar is one sample.

        Raises:
            QueryError: Prometheus cannot evaluate it.
            StigmerOpsError: Prometheus cannot be reached, or refuses us.
        """
        at_time = {} if at is None else {"time": f"{at.timestamp():.3f}"}
        return self._ask(lambda: _samples(self._client.custom_query(expr, params=at_time)))

    def query_range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> list[Line]:
        """The values of `expr` from `start` to `end`, `step` apart.

        Raises:
            QueryError: Prometheus cannot evaluate it, or there would be too many points.
            StigmerOpsError: Prometheus cannot be reached, or refuses us.
        """
        seconds = f"{step.total_seconds():g}"
        return self._ask(lambda: _lines(self._client.custom_query_range(expr, start, end, seconds)))

    def rules(self) -> list[LoadedRule]:
        """The rules that it evaluates, with their active alerts.

        Raises:
            StigmerOpsError: Prometheus cannot be reached, or refuses us.
        """
        # The client knows no such call.
        url, seconds = f"{self.url}/api/v1/rules", self._timeout.total_seconds()
        groups = self._ask(lambda: self._session.get(url, timeout=seconds).json()["data"]["groups"])
        return self._ask(lambda: list(loaded_rules(groups)))

    def data(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """What `/api/v1/PATH` answers, such as metadata, for which the client has no call.

        Raises:
            StigmerOpsError: Prometheus cannot be reached, or refuses us.
        """
        url, seconds = f"{self.url}/api/v1/{path}", self._timeout.total_seconds()
        return self._ask(lambda: self._session.get(url, timeout=seconds).json()["data"])

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except requests.Timeout as error:
            seconds = self._timeout.total_seconds()
            raise UnavailableError(
                f"{self.shown_url} did not answer within {seconds:g} s", next_step=_HOW
            ) from error
        except requests.JSONDecodeError as error:
            raise self._not_prometheus() from error
        except requests.RequestException as error:
            raise UnavailableError(
                f"cannot reach Prometheus at {self.shown_url}: {reason_of(error)}", next_step=_HOW
            ) from error
        except _NO_ANSWER as error:
            raise self._not_prometheus() from error

    def _not_prometheus(self) -> UnavailableError:
        return UnavailableError(
            f"{self.shown_url} answers, but not as Prometheus does", next_step=_HOW
        )

    def _check(self, response: requests.Response, **_: object) -> None:
        """Say what Prometheus says is wrong; the client would leave a number and raw bytes."""
        if response.ok or response.is_redirect:
            return
        raise self._error_of(response)

    def _error_of(self, response: requests.Response) -> StigmerOpsError:
        try:
            told = str(response.json()["error"])
        except _NO_ANSWER:
            told = ""
        status = f"{response.status_code} {response.reason}"
        if told and response.status_code in (400, 422):
            return QueryError(f"Prometheus cannot evaluate it: {told}")
        if response.status_code in (401, 403):
            return DeniedError(f"{self.shown_url} refuses us: {status}", next_step=_HOW)
        return UnavailableError(f"{self.shown_url} answers {told or status}", next_step=_HOW)


def _samples(result: Any) -> list[Sample]:  # noqa: ANN401 - JSON
    if result and not isinstance(result[0], dict):
        # A scalar or string is one pair of time and value.
        return [Sample({}, _number(result[1]))]
    return [Sample(_labels(series), _number(series["value"][1])) for series in result]


def _lines(result: Any) -> list[Line]:  # noqa: ANN401 - JSON
    return [
        Line(
            _labels(series),
            tuple((float(time), _number(value)) for time, value in series["values"]),
        )
        for series in result
    ]


def _labels(series: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    return {name: str(value) for name, value in series["metric"].items()}


def _number(text: str) -> float:
    """A value as Prometheus writes it, which includes NaN, +Inf and -Inf."""
    try:
        return float(text)
    except ValueError:
        raise QueryError(f"its value is a string: {text!r}") from None
