"""Examples, by what their text is."""

from __future__ import annotations

from stigmer_ops.monitoring.lint.model import Example, ExampleKind


def expression(text: str, facts: str = "") -> Example:
    """The expression of an alert."""
    return Example(ExampleKind.EXPRESSION, text, facts)


def alert(text: str) -> Example:
    """Keys of an alert."""
    return Example(ExampleKind.ALERT, text)


def rules(text: str) -> Example:
    """A rule file."""
    return Example(ExampleKind.RULES, text)


def rule_test(text: str) -> Example:
    """A file of rule tests."""
    return Example(ExampleKind.TEST, text)


def page(text: str) -> Example:
    """A runbook page."""
    return Example(ExampleKind.PAGE, text)


def panel(text: str) -> Example:
    """Keys of a panel."""
    return Example(ExampleKind.PANEL, text)


def dashboard(text: str) -> Example:
    """Keys of a dashboard."""
    return Example(ExampleKind.DASHBOARD, text)


def files(**texts: str) -> Example:
    """Files, by their names with an underscore in the place of the dot."""
    parts = [f"# file: {name.replace('_', '.')}\n{text}" for name, text in texts.items()]
    return Example(ExampleKind.FILES, "".join(parts))
