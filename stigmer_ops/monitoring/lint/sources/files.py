"""Which files there are, and what each of them is: told by its content, never by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.json_tree import json_document
from stigmer_ops.monitoring.lint.sources.tree import Mapping, Node, Sequence
from stigmer_ops.monitoring.lint.sources.yaml_tree import TreeError, yaml_documents

_SUFFIXES = frozenset({".yaml", ".yml", ".rules", ".json", ".md"})
_NOT_ENTERED = frozenset({"node_modules", "__pycache__", "vendor"})
_MAXIMUM_BYTES = 50_000_000
_LOOKS_LIKE_OURS = re.compile(
    r"^[ \t]*(?:-[ \t]+)?(?:groups|alert|record|alert_rule_test)[ \t]*:", re.MULTILINE
)
_MAY_BE_OURS = re.compile(r"groups|PrometheusRule|tests|rule_files|panels|rows|elements|dashboard")
"""Words of which one is in whatever is linted: other files of a folder are not parsed."""


class FileKind(StrEnum):
    """What a file is."""

    RULES = "rules"
    TESTS = "tests"
    DASHBOARD = "dashboard"
    PAGE = "page"
    OTHER = "other"


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """A file that was read.

    Attributes:
        path: As it was given, or as it was found below the directory that was given.
        named: Whether it was given by itself, so that it should be something that we lint.
        kind: What it is.
        text: Its content; empty if it could not be read.
        documents: The trees of its YAML or JSON; none if `error` is set.
        error: Why there are none.
    """

    path: str
    named: bool
    kind: FileKind
    text: str
    documents: tuple[Node, ...] = ()
    error: TreeError | None = None

    @property
    def name(self) -> str:
        """A file has no name within itself."""
        return ""

    @property
    def place(self) -> Place:
        """Its beginning."""
        return Place(1)

    @property
    def span(self) -> tuple[int, int]:
        """All of it."""
        return 1, self.text.count("\n") + 1


def read_files(paths: Iterable[Path]) -> list[SourceFile]:
    """Every file that is named, and every one below a directory that may be ours.

    Raises:
        InputError: A path does not exist.
    """
    return [read_file(path, named=named) for path, named in sorted(_found(paths).items())]


def _found(paths: Iterable[Path]) -> dict[Path, bool]:
    found: dict[Path, bool] = {}
    for path in paths:
        if path.is_dir():
            for below in _below(path):
                found.setdefault(below, False)
        elif path.exists():
            found[path] = True
        else:
            raise InputError(f"{path} does not exist", not_done="nothing was linted")
    return found


def _below(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name[0] != "." and name not in _NOT_ENTERED]
        for name in names:
            if Path(name).suffix in _SUFFIXES and name[0] != ".":
                yield Path(folder, name)


def read_file(path: Path, *, named: bool) -> SourceFile:
    """Read one file and see what it is. Whatever is wrong with it is in its `error`."""
    try:
        text = _text(path)
    except TreeError as error:
        return SourceFile(str(path), named, FileKind.OTHER, "", error=error)
    return source_of(str(path), text, named=named)


def source_of(path: str, text: str, *, named: bool = True) -> SourceFile:
    """What a text is that is, or would be, at `path`."""
    if path.endswith(".md"):
        return SourceFile(path, named, FileKind.PAGE, text)
    if not named and not _MAY_BE_OURS.search(text):
        return SourceFile(path, named, FileKind.OTHER, text)
    try:
        documents = _documents(path, text)
    except TreeError as error:
        ours = named or _LOOKS_LIKE_OURS.search(text) or '"panels"' in text
        kind = FileKind.RULES if ours else FileKind.OTHER
        return SourceFile(path, named, kind, text, error=error)
    return SourceFile(path, named, _kind(documents), text, documents)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAXIMUM_BYTES:
            raise TreeError("cannot be read: it is larger than 50 MB", Place(1))
        raw = path.read_bytes()
    except OSError as error:
        raise TreeError(f"cannot be read: {error.strerror}", Place(1)) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise TreeError(f"is no UTF-8: byte {raw[error.start]:#04x}", place) from error


def _documents(path: str, text: str) -> tuple[Node, ...]:
    if path.endswith(".json"):
        return (json_document(text),)
    if text.lstrip().startswith("{"):
        try:
            return (json_document(text),)
        except TreeError:
            pass  # a mapping in YAML's flow style, or text in which only YAML tells what is wrong
    return tuple(yaml_documents(text))


def _kind(documents: Iterable[Node]) -> FileKind:
    for document in documents:
        if isinstance(document, Mapping):
            kind = _kind_of(document)
            if kind is not FileKind.OTHER:
                return kind
    return FileKind.OTHER


def _kind_of(document: Mapping) -> FileKind:
    if rule_resources(document):
        return FileKind.RULES
    if _is_dashboard(document):
        return FileKind.DASHBOARD
    if "tests" in document or ("rule_files" in document and "evaluation_interval" in document):
        return FileKind.TESTS
    # Grafana's own provisioned alerts have groups too, and a version of their format.
    if "groups" in document and "apiVersion" not in document and _holds_rules(document):
        return FileKind.RULES
    return FileKind.OTHER


def _holds_rules(document: Mapping) -> bool:
    """Whether its groups look like rule groups: other formats have groups of their own."""
    groups = document.mappings("groups")
    if not groups:
        return not document.items("groups") and len(document.keys) == 1
    return any({"rules", "name", "interval"} & set(group.keys) for group in groups)


def rule_resources(document: Mapping) -> list[Mapping]:
    """The PrometheusRule resources that a manifest holds, by itself or in a list."""
    if document.text("kind") == "PrometheusRule":
        return [document]
    if document.text("kind").endswith("List"):
        return [
            item for item in document.mappings("items") if item.text("kind") == "PrometheusRule"
        ]
    return []


def _is_dashboard(document: Mapping) -> bool:
    inner = document.get("dashboard")
    if isinstance(inner, Mapping):
        return _is_dashboard(inner)
    if document.text("apiVersion").startswith("dashboard.grafana.app/"):
        return True
    if isinstance(document.get("elements"), Mapping) and "layout" in document:
        return True
    has_panels = any(isinstance(document.get(key), Sequence) for key in ("panels", "rows"))
    return has_panels and bool({"title", "templating", "schemaVersion", "uid"} & set(document.keys))
