"""Where settings come from: the file, then the environment, each value with its origin.

Each value remembers its origin, so that `config show` can tell, and so that an error names file and
line, or the variable. The queue names are also taken from the variables that the system itself
reads (`TEMPORAL_ZIGFLOW_EXECUTION_TASK_QUEUE` and its siblings), below ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stigmer_ops.errors import SettingsError
from stigmer_ops.settings import PREFIX, Settings, TaskQueues, ValuePath, leaves, variable_of
from stigmer_ops.untrusted.yaml_text import YamlProblem, value_of, yaml_node

NOT_SETTINGS = frozenset({"STIGMER_OPS_CONFIG", "STIGMER_OPS_TOKEN"})
"""Variables with our prefix that commands read, and that are no values of the settings."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: a line of the file, a variable, or the built-in default."""

    place: str

    def __str__(self) -> str:
        return self.place


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with their origins.

    `origins` maps each value's dotted path to where it came from; `file` is the file read, if any.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    file: Path | None

    @property
    def defaults(self) -> frozenset[str]:
        """The paths of the values that nobody set."""
        return frozenset(path for path, origin in self.origins.items() if origin == DEFAULT)


def load(file: Path | None, environment: Mapping[str, str]) -> LoadedSettings:
    """Read the settings from `file` (None: defaults) and `environment`.

    Raises:
        SettingsError: With file and line, or the variable, of everything that is wrong.
    """
    values: dict[ValuePath, Any] = {}
    origins: dict[ValuePath, Origin] = {}
    for source in (_queue_variables(environment), _from_file(file), _variables(environment)):
        for path, value, origin in source:
            values[path] = value
            origins[path] = origin
    try:
        settings = Settings.model_validate(_nested(values))
    except ValidationError as error:
        raise SettingsError(
            "\n".join(
                _problem(problem["loc"], problem["msg"], origins) for problem in error.errors()
            ),
            next_step="stigmer-ops config check",
        ) from None
    named = {".".join(path): origins.get(path, DEFAULT) for path, _ in leaves(settings)}
    return LoadedSettings(settings, named, file)


_Source = Iterator[tuple[ValuePath, Any, Origin]]


def _variables(environment: Mapping[str, str]) -> _Source:
    known = {variable_of(path): path for path in _defaults()}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        if name not in known:
            raise SettingsError(
                f"{name} is not a setting{_suggestion(name, known)}",
                next_step="stigmer-ops config show lists every setting and its variable",
            )
        path = known[name]
        yield path, _parsed(path, environment[name]), Origin(f"${name}")


def _queue_variables(environment: Mapping[str, str]) -> _Source:
    for role in TaskQueues.model_fields:
        name = f"TEMPORAL_{role.upper()}_TASK_QUEUE"
        if environment.get(name):
            yield ("task_queues", role, "name"), environment[name], Origin(f"${name}")


def _parsed(path: ValuePath, text: str) -> object:
    default = _defaults()[path]
    if isinstance(default, tuple):
        inner = text.strip().removeprefix("[").removesuffix("]")
        return [item.strip().strip("'\"") for item in inner.split(",") if item.strip()]
    if text == "" and default is None:
        return None
    return text


def _from_file(file: Path | None) -> _Source:
    if file is None:
        return
    try:
        root = yaml_node(file.read_text(encoding="utf-8"))
        if root is not None:
            yield from _from_node(file, root, ())
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: not UTF-8 at byte {error.start}") from error
    except YamlProblem as error:
        raise SettingsError(f"{file}:{error.line}: {error.problem}") from error


def _from_node(file: Path, node: yaml.Node, above: ValuePath) -> _Source:
    if not isinstance(node, yaml.MappingNode):
        yield above, value_of(node), Origin(f"{file}:{node.start_mark.line + 1}")
        return
    seen: set[str] = set()
    for key, child in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            raise SettingsError(f"{file}:{line}: {'.'.join((*above, name))} is given twice")
        seen.add(name)
        if (*above, name) not in _known_paths():
            raise SettingsError(
                f"{file}:{line}: {'.'.join((*above, name))} is not a setting"
                + _suggestion(name, _names_below(above)),
                next_step="stigmer-ops config show lists every setting",
            )
        yield from _from_node(file, child, (*above, name))


@cache
def _defaults() -> dict[ValuePath, Any]:
    return dict(leaves(Settings()))


@cache
def _known_paths() -> dict[ValuePath, None]:
    """Every value and every section, in the order of the settings."""
    return dict.fromkeys(path[:size] for path in _defaults() for size in range(1, len(path) + 1))


def _names_below(above: ValuePath) -> list[str]:
    return [path[-1] for path in _known_paths() if path[:-1] == above]


def _nested(values: Mapping[ValuePath, Any]) -> dict[str, Any]:
    root = Settings().model_dump()
    for path, value in values.items():
        place = root
        for name in path[:-1]:
            place = place[name]
        if path:
            place[path[-1]] = value
    return root


def _problem(
    location: tuple[int | str, ...], message: str, origins: Mapping[ValuePath, Origin]
) -> str:
    path = tuple(str(part) for part in location)
    origin = next(
        (origins[path[:length]] for length in range(len(path), 0, -1) if path[:length] in origins),
        DEFAULT,
    )
    return f"{origin}: {'.'.join(path)}: {message.removeprefix('Value error, ')}"


def _suggestion(name: str, known: Mapping[str, Any] | list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""
