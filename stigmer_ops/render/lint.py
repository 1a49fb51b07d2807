"""Findings of the linter, for people, for editors and for every CI that shows them beside the line.

Formats: text as compilers write it; JSON of our own; SARIF 2.1.0 (code scanning); JUnit and
Checkstyle XML; and the workflow commands of GitHub Actions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from stigmer_ops.monitoring.lint.baseline import fingerprint
from stigmer_ops.monitoring.lint.model import AnyRule, Counts, Finding, Report, Severity
from stigmer_ops.render.text import visible


class LintFormat(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    CHECKSTYLE = "checkstyle"
    GITHUB = "github"


_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
Styled = tuple[str, str]
"""Text, and a Rich style."""


def text_lines(report: Report) -> Iterator[list[Styled]]:
    """The findings and the summary, a list of styled parts for each line."""
    for finding in report.findings:
        yield [
            (f"{visible(finding.path)}:{finding.line}:{finding.column}: ", "bold"),
            (f"{finding.severity}: ", _STYLES[finding.severity]),
            (visible(finding.message), ""),
            (f" [{finding.rule}]", "dim"),
        ]
        if finding.hint:
            yield [(f"    hint: {visible(finding.hint)}", "dim")]
    if report.findings:
        yield []
    for line in summary(report):
        yield [(line, "")]


def plain_text(report: Report) -> str:
    """The same without styles."""
    lines = ("".join(text for text, _ in line) for line in text_lines(report))
    return "".join(f"{line}\n" for line in lines)


def summary(report: Report) -> list[str]:
    """What was found, and in how much: always said, so that an empty run is seen."""
    counted = ", ".join(
        _count(number, severity.value) for severity, number in report.by_severity().items()
    )
    lines = [f"{counted} in {_read(report.counts)}", f"syntax: {visible(report.syntax_judge)}"]
    passed_over = [
        (len(report.acknowledged), "acknowledged"),
        (len(report.known), "in the baseline"),
        (report.fixed, "in the baseline and no longer found: write it anew"),
    ]
    lines += [f"{number} {what}" for number, what in passed_over if number]
    return lines


def _read(counts: Counts) -> str:
    parts = [_count(counts.alerts, "alert"), _count(counts.recordings, "recording")]
    others = (
        (counts.tests, "test"),
        (counts.dashboards, "dashboard"),
        (counts.panels, "panel"),
        (counts.pages, "page"),
    )
    parts += [_count(number, what) for number, what in others if number]
    return f"{_count(counts.files, 'file')}: {', '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# -- JSON ---------------------------------------------------------------------------------------


def report_record(report: Report) -> dict[str, Any]:
    """The report as JSON has it."""
    return {
        "findings": [finding_record(finding) for finding in report.findings],
        "acknowledged": [finding_record(finding) for finding in report.acknowledged],
        "in_baseline": [finding_record(finding) for finding in report.known],
        "baseline_fixed": report.fixed,
        "summary": {s.value: number for s, number in report.by_severity().items()},
        "read": {
            "files": report.counts.files,
            "rule_files": report.counts.rule_files,
            "groups": report.counts.groups,
            "rules": report.counts.rules,
            "alerts": report.counts.alerts,
            "recordings": report.counts.recordings,
            "test_files": report.counts.test_files,
            "tests": report.counts.tests,
            "dashboards": report.counts.dashboards,
            "panels": report.counts.panels,
            "pages": report.counts.pages,
            "other_files": report.counts.other_files,
        },
        "syntax_judge": report.syntax_judge,
    }


def finding_record(finding: Finding) -> dict[str, Any]:
    """One finding as JSON has it."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "hint": finding.hint or None,
        "page": finding.page,
        "object": finding.object or None,
        "fingerprint": fingerprint(finding),
    }


# -- SARIF --------------------------------------------------------------------------------------

_SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(report: Report, rules: Sequence[AnyRule], version: str) -> str:
    """A SARIF 2.1.0 log; what is acknowledged or in the baseline is marked as such."""
    used = {f.rule for f in (*report.findings, *report.acknowledged, *report.known)}
    declared = [rule for rule in rules if rule.id in used]
    index = {rule.id: number for number, rule in enumerate(declared)}
    marked: list[tuple[Finding, dict[str, Any]]] = [
        *((finding, {"baselineState": "new"}) for finding in report.findings),
        *((finding, {"suppressions": [{"kind": "inSource"}]}) for finding in report.acknowledged),
        *((finding, {"baselineState": "unchanged"}) for finding in report.known),
    ]
    run = {
        "tool": {
            "driver": {
                "name": "stigmer-ops alerts lint",
                "version": version,
                "rules": [_sarif_rule(rule) for rule in declared],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(finding, index, more) for finding, more in marked],
    }
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _sarif_rule(rule: AnyRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": f"{rule.explanation} See: stigmer-ops alerts explain {rule.id}"},
        "defaultConfiguration": {"level": _SARIF_LEVELS[rule.severity]},
    }


def _sarif_result(
    finding: Finding, index: Mapping[str, int], more: Mapping[str, Any]
) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(finding.path.replace("\\", "/"))},
            "region": {"startLine": finding.line, "startColumn": finding.column},
        }
    }
    if finding.object:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.object}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _SARIF_LEVELS[finding.severity],
        "message": {"text": _with_hint(finding)},
        "locations": [location],
        "partialFingerprints": {"stigmerOpsFingerprint/v1": fingerprint(finding)},
        **more,
    }


# -- XML ----------------------------------------------------------------------------------------


def junit(report: Report, fail_on: Severity) -> str:
    """JUnit XML: a suite for each file with findings, a case for each finding."""
    root = ElementTree.Element("testsuites", name="stigmer-ops alerts lint")
    failures = 0
    for path, findings in _by_path(report.findings):
        failing = [f for f in findings if f.severity.rank >= fail_on.rank]
        failures += len(failing)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=visible(path),
            tests=str(len(findings)),
            failures=str(len(failing)),
        )
        for finding in findings:
            name = f"{finding.rule} {finding.object}".strip()
            case = ElementTree.SubElement(
                suite, "testcase", classname=visible(path), name=visible(name)
            )
            kind = "failure" if finding in failing else "system-out"
            told = ElementTree.SubElement(case, kind)
            if finding in failing:
                told.set("type", finding.severity.value)
                told.set("message", visible(finding.message))
            told.text = f"{path}:{finding.line}:{finding.column}: {visible(_with_hint(finding))}"
    read = ElementTree.SubElement(
        root, "testsuite", name="read", tests=str(report.counts.files), failures="0"
    )
    ElementTree.SubElement(read, "testcase", classname="read", name=_read(report.counts))
    read.set("tests", "1")
    root.set("tests", str(len(report.findings) + 1))
    root.set("failures", str(failures))
    return _xml(root)


def checkstyle(report: Report) -> str:
    """Checkstyle XML."""
    root = ElementTree.Element("checkstyle", version="4.3")
    for path, findings in _by_path(report.findings):
        file = ElementTree.SubElement(root, "file", name=visible(path))
        for finding in findings:
            ElementTree.SubElement(
                file,
                "error",
                line=str(finding.line),
                column=str(finding.column),
                severity=finding.severity.value,
                message=visible(_with_hint(finding)),
                source=f"stigmer-ops.{finding.rule}",
            )
    return _xml(root)


def _xml(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _by_path(findings: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.path, []).append(finding)
    return list(found.items())


# -- GitHub Actions -----------------------------------------------------------------------------

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def github(report: Report) -> str:
    """Workflow commands, which GitHub shows beside the line in the diff."""
    return "".join(
        f"::{_COMMANDS[finding.severity]} file={_property(finding.path)},line={finding.line},"
        f"col={finding.column},title={_property(finding.rule)}::{_data(_with_hint(finding))}\n"
        for finding in report.findings
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _with_hint(finding: Finding) -> str:
    return f"{finding.message} ({finding.hint})" if finding.hint else finding.message


def written(
    report: Report, format: LintFormat, rules: Sequence[AnyRule], fail_on: Severity, version: str
) -> str:
    """The report in a format that is not our own JSON."""
    writers: dict[LintFormat, Callable[[], str]] = {
        LintFormat.TEXT: lambda: plain_text(report),
        LintFormat.SARIF: lambda: sarif(report, rules, version),
        LintFormat.JUNIT: lambda: junit(report, fail_on),
        LintFormat.CHECKSTYLE: lambda: checkstyle(report),
        LintFormat.GITHUB: lambda: github(report),
    }
    return writers[format]()


# -- explanations -------------------------------------------------------------------------------


def rule_record(rule: AnyRule) -> dict[str, Any]:
    """A lint rule as JSON has it."""
    return {
        "id": rule.id,
        "severity": rule.severity.value,
        "title": rule.title,
        "explanation": rule.explanation,
        "online": rule.online,
        "bad": rule.bad.text if rule.bad else None,
        "good": rule.good.text if rule.good else None,
        "facts": rule.bad.facts or None if rule.bad else None,
    }


def explanation_lines(rule: AnyRule) -> Iterator[Styled]:
    """A lint rule as a person reads it."""
    yield f"{rule.id} ({rule.severity})", "bold"
    yield rule.title, ""
    yield "", ""
    yield rule.explanation, ""
    for heading, example in (("Not", rule.bad), ("But", rule.good)):
        if example is not None:
            yield f"\n{heading} ({example.kind}):\n", "bold"
            yield _indented(_shortened(example.text)), "dim"
    if rule.bad is not None and rule.bad.facts:
        yield "\nwith --catalogue:\n", "bold"
        yield _indented(rule.bad.facts), "dim"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip("\n").split("\n"))


_LONGEST_EXAMPLE = 12


def _shortened(text: str) -> str:
    """An example of dozens of equal lines, cut off where it is understood."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) <= _LONGEST_EXAMPLE + 8:
        return "\n".join(line if len(line) <= 160 else f"{line[:80]}…" for line in lines)
    return "\n".join([*lines[:_LONGEST_EXAMPLE], f"… {len(lines) - _LONGEST_EXAMPLE} more lines"])


def lint_page(rules: Sequence[AnyRule]) -> str:
    """docs/lint.md without its title: an index, then a section for each rule."""
    rows = "".join(
        f"| [`{rule.id}`](#{rule.id}) | {rule.severity} | {rule.title} |\n" for rule in rules
    )
    sections = "\n".join(_section(rule) for rule in rules)
    return f"| rule | severity | what is wrong |\n|---|---|---|\n{rows}\n{sections}"


def _section(rule: AnyRule) -> str:
    needs = " Needs `--prometheus`." if rule.online else ""
    parts = [f"## {rule.id}\n\n{rule.title} ({rule.severity}){needs}\n\n{rule.explanation}\n"]
    for heading, example in (("Not", rule.bad), ("But", rule.good)):
        if example is not None:
            language = "promql" if example.kind == "expression" else "yaml"
            parts.append(f"{heading}:\n\n```{language}\n{_shortened(example.text)}\n```\n")
    if rule.bad is not None and rule.bad.facts:
        parts.append(f"With `--catalogue`:\n\n```yaml\n{rule.bad.facts.rstrip()}\n```\n")
    return "\n".join(parts)
