"""The Prometheus that commands ask, by option or by setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.context import Invocation
from stigmer_ops.errors import UsageError

if TYPE_CHECKING:
    from stigmer_ops.monitoring.prometheus import Prometheus

PrometheusUrl = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        metavar="URL",
        help="Base URL of Prometheus; else the setting monitoring.prometheus",
        show_default=False,
    ),
]


def prometheus_of(invocation: Invocation, url: str | None) -> Prometheus:
    """The Prometheus at `url`, else the configured one.

    Raises:
        UsageError: There is neither.
        InputError: It is no such URL.
    """
    from stigmer_ops.monitoring.prometheus import Prometheus

    monitoring = invocation.settings.monitoring
    chosen = url or monitoring.prometheus
    if chosen is None:
        raise UsageError(
            "no Prometheus is configured",
            next_step="give --prometheus http://HOST:9090, or set monitoring.prometheus",
        )
    return Prometheus(chosen, monitoring.prometheus_timeout)
