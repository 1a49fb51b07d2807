"""Which labels the series of an expression may have, and which they have for certain.

A metric that nobody has described may have any label. Aggregations and matchings say which of them
are left, and that is enough to find most mistakes without a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LabelSet:
    """A set of label names: `names` alone, or with `all_but` every name but those."""

    names: frozenset[str] = frozenset()
    all_but: bool = False

    def __contains__(self, name: str) -> bool:
        return (name in self.names) != self.all_but

    def keep(self, wanted: Iterable[str]) -> LabelSet:
        """Those of `wanted` that are in it."""
        return LabelSet(frozenset(name for name in wanted if name in self))

    def drop(self, unwanted: Iterable[str]) -> LabelSet:
        """Without those."""
        dropped = frozenset(unwanted)
        return LabelSet(
            self.names | dropped if self.all_but else self.names - dropped, self.all_but
        )

    def add(self, more: Iterable[str]) -> LabelSet:
        """With those."""
        added = frozenset(more)
        return LabelSet(self.names - added if self.all_but else self.names | added, self.all_but)

    def __or__(self, other: LabelSet) -> LabelSet:
        if not other.all_but:
            return self.add(other.names)
        if not self.all_but:
            return other.add(self.names)
        return LabelSet(self.names & other.names, all_but=True)

    def __and__(self, other: LabelSet) -> LabelSet:
        if not other.all_but:
            return self.keep(other.names) if self.all_but else LabelSet(self.names & other.names)
        return self.drop(other.names)

    def __str__(self) -> str:
        listed = ", ".join(sorted(self.names))
        if self.all_but:
            return f"any but {{{listed}}}" if listed else "any"
        return f"{{{listed}}}"


EVERY = LabelSet(all_but=True)
NONE = LabelSet()


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of the series that an expression returns.

    Attributes:
        may: Those that a series may have.
        must: Those that every series has, as far as the author of the expression can be believed:
            who writes `by (service)` means that there is one.
        values: Labels whose only value is known.
    """

    may: LabelSet = EVERY
    must: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)

    def keep(self, wanted: Iterable[str]) -> Labels:
        """As on() and by() leave them."""
        kept = self.may.keep(wanted)
        return Labels(
            kept,
            self.must & kept.names,
            {name: value for name, value in self.values.items() if name in kept.names},
        )

    def drop(self, unwanted: Iterable[str]) -> Labels:
        """As ignoring() and without() leave them."""
        dropped = frozenset(unwanted)
        return Labels(
            self.may.drop(dropped),
            self.must - dropped,
            {name: value for name, value in self.values.items() if name not in dropped},
        )

    def add(self, name: str, value: str | None = None, *, certain: bool = False) -> Labels:
        """With one more, of that value if it is known."""
        others = {other: known for other, known in self.values.items() if other != name}
        return Labels(
            self.may.add((name,)),
            self.must | {name} if certain else self.must - {name},
            others if value is None else {**others, name: value},
        )

    def __or__(self, other: Labels) -> Labels:
        """Of series of either kind."""
        same = {n: v for n, v in self.values.items() if other.values.get(n) == v}
        return Labels(self.may | other.may, self.must & other.must, same)

    def __and__(self, other: Labels) -> Labels:
        """Of a pair that has all labels in common."""
        return Labels(self.may & other.may, self.must | other.must, {**other.values, **self.values})


NO_LABELS = Labels(NONE)
