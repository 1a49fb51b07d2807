"""Signals in promtool's notation, and the targets that series belong to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stigmer_ops.monitoring.catalogue.model import Emitter
from stigmer_ops.monitoring.rule_tests.example import Behind, Gone, Growth, Level, Phase, Signal
from stigmer_ops.monitoring.rule_tests.targets import (
    exact_labels,
    strange_labels,
    target_labels,
)
from stigmer_ops.settings import Monitoring, Settings


@pytest.mark.parametrize(
    ("signal", "phase", "text", "last"),
    [
        (Level(2.5), Phase(0, 3, 0, 60), "2.5+0x2", 2.5),
        (Growth(3), Phase(5, 4, 10, 60), "13+3x3", 22),
        (Growth(0, first=1), Phase(5, 4, 10, 60), "11+0x3", 11),
        (Behind(timedelta(minutes=2)), Phase(5, 2, 0, 60), "180+60x1", 240),
        (Behind(timedelta(minutes=-1)), Phase(0, 1, 0, 60), "60+60x0", 60),
        (Gone(), Phase(0, 3, 7, 60), "_x3", 7),
        (Gone(), Phase(4, 3, 7, 60), "stale _x2", 7),
        (Gone(), Phase(4, 1, 7, 60), "stale", 7),
    ],
)
def test_signal_in_promtools_notation(signal: Signal, phase: Phase, text: str, last: float) -> None:
    assert signal.during(phase) == (text, last)


def settings(selector: str) -> Settings:
    return Settings(monitoring=Monitoring(exporter_selector=selector))


def test_target_has_the_labels_that_the_selector_asks_for() -> None:
    chosen = settings('job=~"stigmer|ops",cluster="a",env!="test",zone=~"x.*"')
    assert target_labels(chosen, Emitter.EXPORTER) == {"job": "stigmer", "cluster": "a"}
    assert exact_labels(chosen, Emitter.EXPORTER) == {"cluster": "a"}


def test_stranger_has_none_of_them() -> None:
    assert strange_labels({"job": "a", "cluster": "b"}) == {"job": "not-a", "cluster": "not-b"}


def test_without_a_selector_every_target_is_ours() -> None:
    assert target_labels(settings(""), Emitter.EXPORTER) == {}
    assert target_labels(settings(""), Emitter.PROMETHEUS) == {}
