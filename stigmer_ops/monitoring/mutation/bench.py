"""What is run for a mutant: the tests that its rule concerns, with the rules that those need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import promql_parser
import yaml

from stigmer_ops.monitoring.mutation.mutants import Mutant
from stigmer_ops.monitoring.rule_graph import built_on, needed, selected_names
from stigmer_ops.monitoring.rule_tests.suite import Document, Rule, RuleTestFile

TESTS = "tests.yaml"
_KINDS = ("alert_rule_test", "promql_expr_test")


@dataclass(frozen=True)
class Trial:
    """One test, reduced to what concerns one rule.

    Attributes:
        bench: The rule and the file.
        test: The test, with only those expectations that concern the rule.
    """

    bench: Bench
    test: Document

    @cached_property
    def promise(self) -> tuple[bool, float]:
        """Greatest for the test to begin with: one that has series, and few evaluations."""
        entries = [entry for kind in _KINDS for entry in self.test.get(kind) or ()]
        last = max(_seconds(entry.get("eval_time")) for entry in entries)
        interval = _seconds(self.bench.file.document.get("evaluation_interval")) or 60
        return bool(self.test.get("input_series")), -last / interval

    def files(self, mutant: Mutant | None) -> dict[str, str]:
        """File name to text: the rules that the test needs, and the test itself in TESTS."""
        names = (name for kind in _KINDS for name in _all(self.test, kind))
        rules = self.bench.needed([*names, self.bench.rule.name])
        sources = dict.fromkeys(rule.file for rule in rules)
        files = {
            f"rules-{number}.yaml": self._groups(
                [rule for rule in rules if rule.file == source], mutant
            )
            for number, source in enumerate(sources)
        }
        document = {
            **self.bench.file.document,
            "rule_files": list(files),
            "tests": [self.test],
        }
        if "group_eval_order" in document:
            known = {rule.group for rule in rules}
            order = document["group_eval_order"] or ()
            document["group_eval_order"] = [group for group in order if group in known]
        return {name: _dumped(text) for name, text in {**files, TESTS: document}.items()}

    def _groups(self, rules: Sequence[Rule], mutant: Mutant | None) -> Document:
        groups: dict[str, list[Document]] = {}
        for rule in rules:
            mutated = mutant is not None and rule == self.bench.rule
            source = mutant.source if mutant is not None and mutated else rule.source
            groups.setdefault(rule.group, []).append(dict(source))
        return {"groups": [{"name": name, "rules": found} for name, found in groups.items()]}


@dataclass(frozen=True)
class Bench:
    """A rule, and a file of tests that loads it.

    Attributes:
        rule: The rule.
        file: The file.
    """

    rule: Rule
    file: RuleTestFile

    @cached_property
    def trials(self) -> Sequence[Trial]:
        """The tests of the file that concern the rule."""
        affected = built_on(self.rule.name, self._expressions)
        reduced = (_reduced(test, affected) for test in self.file.tests)
        return tuple(Trial(self, test) for test in reduced if test is not None)

    def needed(self, names: Sequence[str]) -> list[Rule]:
        """The rules of these names, and what they build on, in their order."""
        wanted = needed(names, self._expressions)
        return [rule for rule in self.file.rules if rule.name in wanted]

    @cached_property
    def _expressions(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for rule in self.file.rules:
            found.setdefault(rule.name, []).append(rule.expr)
        return found


def _reduced(test: Document, affected: frozenset[str]) -> Document | None:
    kept = {
        kind: [entry for entry in test.get(kind) or () if _names(entry) & affected]
        for kind in _KINDS
    }
    if not any(kept.values()):
        return None
    rest = {name: value for name, value in test.items() if name not in _KINDS}
    return {**rest, **{kind: entries for kind, entries in kept.items() if entries}}


def _seconds(text: object) -> float:
    try:
        return promql_parser.parse_duration(str(text)).total_seconds()
    except ValueError:
        return 0


def _all(test: Document, kind: str) -> Iterator[str]:
    for entry in test.get(kind) or ():
        yield from _names(entry)


def _names(entry: Document) -> frozenset[str]:
    """The rules that an expectation is about."""
    if "alertname" in entry:
        return frozenset({str(entry["alertname"])})
    try:
        expr = str(entry.get("expr", ""))
        return selected_names(expr) | _alert_names(expr)
    except ValueError:
        return frozenset()


def _alert_names(expr: str) -> frozenset[str]:
    """The alerts that an expression asks for by ALERTS{alertname="…"}."""
    found: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            visit(node.vector_selector)
        if isinstance(node, promql_parser.VectorSelector):
            named = (m.value for m in node.matchers.matchers if m.name == "alertname")
            found.update(named)

    promql_parser.walk(promql_parser.parse(expr), pre_visit=visit)
    return frozenset(found)


def _dumped(document: Document) -> str:
    text: str = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=10_000)
    return text
