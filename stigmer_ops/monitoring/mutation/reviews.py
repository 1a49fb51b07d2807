"""Survivors that somebody looked at, and why nothing could notice them.

A mutant that does the same as the rule survives every test. Such are listed in a YAML file, each
entry with the rule (in which * stands for anything), the change as it is reported, and the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.mutation.mutants import Mutant
from stigmer_ops.monitoring.mutation.run import Score
from stigmer_ops.untrusted.yaml_text import yaml_value

_Text = Annotated[str, Field(min_length=1)]


class Review(BaseModel):
    """Why a survivor is none of the tests' business."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: _Text
    change: _Text
    reason: _Text

    def covers(self, mutant: Mutant) -> bool:
        """Whether it is about this mutant."""
        return fnmatchcase(mutant.rule, self.rule) and mutant.change == self.change


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test noticed, with the reason if there is one."""

    mutant: Mutant
    reason: str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """The scores with the reviews.

    Attributes:
        scores: Of each rule.
        survivors: Of all rules.
        stale: Reviews of changes that are noticed by now, or of rules that are gone.
    """

    scores: tuple[Score, ...]
    survivors: tuple[Survivor, ...]
    stale: tuple[Review, ...]

    @property
    def passed(self) -> bool:
        """Whether each survivor is explained, and each explanation needed."""
        return not self.stale and all(survivor.reason for survivor in self.survivors)


_REVIEWS = TypeAdapter(tuple[Review, ...])


def read_reviews(path: Path) -> tuple[Review, ...]:
    """The reviews of a file.

    Raises:
        InputError: It cannot be read, or is not of that form.
    """
    try:
        return _REVIEWS.validate_python(yaml_value(path.read_text(encoding="utf-8")) or ())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def judge(scores: Sequence[Score], reviews: Sequence[Review], *, complete: bool) -> Judged:
    """Each survivor with its reason.

    Args:
        scores: Of the rules that were mutated.
        reviews: Of a file.
        complete: Whether all rules were, so that a review of none of them is stale.
    """
    mutants = [mutant for score in scores for mutant in score.survivors]
    used = {review for review in reviews if any(map(review.covers, mutants))}
    return Judged(
        tuple(scores),
        tuple(Survivor(mutant, _reason(mutant, reviews)) for mutant in mutants),
        tuple(review for review in reviews if complete and review not in used),
    )


def _reason(mutant: Mutant, reviews: Sequence[Review]) -> str | None:
    return next((review.reason for review in reviews if review.covers(mutant)), None)
