"""Write the pages, and the marked parts of pages, that follow from what the code declares.

`python docs/generate.py` writes them; `--check` writes nothing, shows the difference and exits 1.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import durationpy
import typer.completion
import typer.main
from man_page import man_page
from pydantic import BaseModel

import stigmer_ops
from stigmer_ops.cli.main import app
from stigmer_ops.cli.tree import RootGroup
from stigmer_ops.errors import ExitCode, StigmerOpsError
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.facts import facts
from stigmer_ops.monitoring.lint.acknowledgements import FORM
from stigmer_ops.monitoring.lint.registry import RULES
from stigmer_ops.render.lint import lint_page
from stigmer_ops.render.runbook import index_tables
from stigmer_ops.runbook import pages
from stigmer_ops.settings import Settings, leaves, variable_of

ROOT = Path(__file__).parent.parent
GENERATED = (
    "<!-- Written by `make generate` from the code; edit that instead. -->\n\n"
    "[All documentation](README.md)\n\n"
)


def commands() -> Iterator[tuple[str, object]]:
    """Every command of the tree with its words, in the order of --help."""
    root = typer.main.get_command(app)
    assert isinstance(root, RootGroup)
    return root.every_command()


def summary(text: str) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


def reference() -> str:
    """docs/reference.md: each command with its options and examples."""
    parts = ["# Command reference\n", GENERATED]
    for name, found in commands():
        parts.append(f"## `stigmer-ops {name}`\n\n{inspect.cleandoc(_help(found))}\n")
        for panel, rows in _options(found).items():
            parts.append(f"| {panel} | |\n|---|---|\n" + "".join(rows))
        examples = found.callback.declaration.examples  # type: ignore[attr-defined]
        lines = "".join(f"stigmer-ops {example}\n" for example in examples)
        parts.append(f"```console\n{lines}```\n")
    return "\n".join(parts)


def _help(found: object) -> str:
    return str(found.help or "")  # type: ignore[attr-defined]


def _options(found: object) -> dict[str, list[str]]:
    panels: dict[str, list[str]] = {}
    for option in found.params:  # type: ignore[attr-defined]
        if option.name == "help":
            continue
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        if not option.opts[0].startswith("-"):
            names = f"`{(option.metavar or option.name).upper()}`"
        text = (option.help or "").replace("|", "\\|").replace("\n", " ")
        panels.setdefault(option.rich_help_panel or "Options", []).append(f"| {names} | {text} |\n")
    return panels


def errors() -> str:
    """docs/errors.md: each kind of error, what it means and its exit code."""
    for module in pkgutil.walk_packages(stigmer_ops.__path__, "stigmer_ops."):
        if "__main__" not in module.name and "_pb2" not in module.name:
            importlib.import_module(module.name)
    kinds = sorted(_subclasses(StigmerOpsError), key=lambda kind: kind.reference)
    parts = [
        "# Errors\n",
        GENERATED,
        "Every error ends with its name and its exit code, as in `(stale, exit 4)`.\n",
    ]
    parts += [
        f"## {kind.reference}\n\nExit code {kind.exit_code.value}.\n\n"
        f"{inspect.cleandoc(kind.__doc__ or '')}\n"
        for kind in kinds
    ]
    return "\n".join(parts)


def _subclasses(kind: type[StigmerOpsError]) -> Iterator[type[StigmerOpsError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)


def settings() -> str:
    """docs/settings.md: each setting with its default, its variable and what it means."""
    rows = [
        f"| `{'.'.join(path)}` | {_default(value)} | `{variable_of(path)}` | {_meaning(path)} |\n"
        for path, value in leaves(Settings())
    ]
    return (
        "# Settings\n\n"
        + GENERATED
        + "One YAML file, named by `--config` or `STIGMER_OPS_CONFIG`; every value can be set by\n"
        "a variable instead, which wins. Durations are written as `90s`, `30m`, `4h`.\n"
        "`stigmer-ops config show` prints what is in force and where each value came from.\n\n"
        "| setting | default | variable | meaning |\n|---|---|---|---|\n" + "".join(rows)
    )


def _default(value: object) -> str:
    if isinstance(value, timedelta):
        return f"`{durationpy.to_str(value)}`"
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(path: tuple[str, ...]) -> str:
    section: type[BaseModel] = Settings
    for name in path[:-1]:
        annotation = section.model_fields[name].annotation
        assert inspect.isclass(annotation)
        assert issubclass(annotation, BaseModel)
        section = annotation
    return " ".join((section.model_fields[path[-1]].description or "").split())


def readme_commands() -> str:
    """README's table of commands."""
    rows = [f"| `{name}` | {summary(_help(found))} |\n" for name, found in commands()]
    return "| command | what it does |\n|---|---|\n" + "".join(rows)


def exit_codes() -> list[tuple[int, str]]:
    """Each exit code with what it means."""
    source = inspect.getsource(ExitCode)
    meanings = re.findall(r'= \d+\n\s+"""(.*?)"""', source, re.DOTALL)
    return [
        (code.value, " ".join(meaning.split()))
        for code, meaning in zip(ExitCode, meanings, strict=True)
    ]


def readme_exit_codes() -> str:
    """README's table of exit codes."""
    rows = [f"| {code} | {meaning} |\n" for code, meaning in exit_codes()]
    return "| code | meaning |\n|---|---|\n" + "".join(rows)


def manual() -> str:
    """man/stigmer-ops.1."""
    return man_page(commands(), exit_codes())


def completion(shell: str) -> str:
    """The script that makes a shell complete our commands and options: it asks the program."""
    script: str = typer.completion.get_completion_script(
        prog_name="stigmer-ops", complete_var="_STIGMER_OPS_COMPLETE", shell=shell
    )
    return script + "\n"


def lint_rules() -> str:
    """docs/lint.md: what `alerts lint` looks for, and how a finding is accepted."""
    return f"# Lint rules\n\n{GENERATED}{LINT_INTRODUCTION}\n{lint_page(RULES)}"


LINT_INTRODUCTION = f"""`stigmer-ops alerts lint` looks for these. `--select` and `--ignore` take an
id, or the beginning of one. A finding that is right as it is can be accepted for a time, by a
comment in or directly above the rule or group, or at the head of the file for all of it (JSON has
no comments: dashboards have the baseline):

```yaml
{FORM}
```

`--baseline FILE` passes over whatever was there when linting began, so that only new findings fail;
`--write-baseline` writes that file. What metrics there are, `--catalogue FILE` tells: YAML as in
the examples below, or what the `/metrics` page of a target says, saved to a file. Files with
metrics that begin with `stigmer_` are held to the catalogue of stigmer-ops itself.
"""


def decisions() -> str:
    """docs/README.md's list of decisions."""
    found = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = (path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for path in found)
    return "".join(
        f"- [{title}](decisions/{path.name})\n" for title, path in zip(titles, found, strict=True)
    )


def example_activity() -> str:
    """docs/handshake.md's external activity, as it is run in the tests."""
    source = (ROOT / "docs" / "examples" / "external_activity.py").read_text(encoding="utf-8")
    return f"```python\n{source}```\n"


def runbook_pages() -> str:
    """The index of the runbook."""
    return index_tables(pages())


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference.md": reference,
    "docs/errors.md": errors,
    "docs/settings.md": settings,
    "docs/lint.md": lint_rules,
    "man/stigmer-ops.1": manual,
    "completions/stigmer-ops.bash": partial(completion, "bash"),
    "completions/_stigmer-ops": partial(completion, "zsh"),
    "completions/stigmer-ops.fish": partial(completion, "fish"),
}
CATALOGUE = catalogue(Settings())

PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"commands": readme_commands, "exit-codes": readme_exit_codes},
    "runbooks/README.md": {"pages": runbook_pages},
    "docs/README.md": {"decisions": decisions},
    "docs/handshake.md": {"example": example_activity},
    **{
        f"runbooks/alerts/{alert.name}.md": {"facts": partial(facts, alert, CATALOGUE)}
        for alert in CATALOGUE.alerts
    },
}
"""Pages that are written by hand but for marked parts."""


def rendered() -> dict[Path, str]:
    """Every generated file with the text that it should have."""
    files = {ROOT / name: page() for name, page in PAGES.items()}
    for page, parts in PARTS.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        for name, part in parts.items():
            begin, end = f"<!-- {name}: generated -->\n", f"<!-- /{name} -->"
            before, rest = text.split(begin)
            text = before + begin + part() + end + rest.split(end, 1)[1]
        files[ROOT / page] = text
    return files


def main() -> int:
    """Write the files, or with --check compare them."""
    check = "--check" in sys.argv[1:]
    stale = 0
    for path, text in rendered().items():
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        if found == text:
            continue
        stale += 1
        name = str(path.relative_to(ROOT))
        if check:
            sys.stdout.writelines(
                difflib.unified_diff(
                    found.splitlines(True), text.splitlines(True), name, f"{name} (generated)"
                )
            )
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
