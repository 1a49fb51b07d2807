"""Survivors and their explanations."""

from __future__ import annotations

from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.mutation.mutants import Mutant
from stigmer_ops.monitoring.mutation.reviews import Review, judge, read_reviews
from stigmer_ops.monitoring.mutation.run import Score
from stigmer_ops.monitoring.rule_tests.suite import Rule

RULE = Rule(Path("rules.yaml"), "g", 0, {"alert": "High", "expr": "a > 1"})
SURVIVOR = Mutant("High", "[5m] becomes [10m]", {})
SCORES = [Score(RULE, 4, (SURVIVOR,))]


def review(rule: str = "High", change: str = SURVIVOR.change) -> Review:
    return Review(rule=rule, change=change, reason="The same.")


def test_survivor_without_a_reason_fails() -> None:
    judged = judge(SCORES, [], complete=True)
    assert not judged.passed
    assert judged.survivors[0].reason is None
    assert judged.scores[0].killed == 3


@pytest.mark.parametrize("rule", ["High", "Hi*", "*"])
def test_survivor_is_explained_by_rule_or_pattern(rule: str) -> None:
    judged = judge(SCORES, [review(rule)], complete=True)
    assert judged.passed
    assert judged.survivors[0].reason == "The same."


def test_change_is_no_pattern() -> None:
    assert not judge(SCORES, [review(change="*")], complete=False).passed


def test_explanation_that_nothing_needs_is_stale_once_all_rules_were_tried() -> None:
    reviews = [review(), review("Gone")]
    assert judge(SCORES, reviews, complete=True).stale == (reviews[1],)
    assert judge(SCORES, reviews, complete=False).passed


def test_committed_reviews_can_be_read() -> None:
    committed = Path(__file__).parents[4] / "alerts" / "mutation" / "reviewed.yaml"
    assert all(review.reason.endswith(".") for review in read_reviews(committed))


@pytest.mark.parametrize("text", ["- {rule: a}", "- {rule: a, change: b, reason: ''}", "{", "3"])
def test_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reviewed.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"reviewed\.yaml"):
        read_reviews(path)


def test_empty_file_holds_no_reviews(tmp_path: Path) -> None:
    path = tmp_path / "reviewed.yaml"
    path.write_text("# none\n")
    assert read_reviews(path) == ()
