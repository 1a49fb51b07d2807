"""How a function becomes a command: options spread, errors caught, an exit code returned."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, get_type_hints

import typer

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Common
from stigmer_ops.errors import ExitCode, StigmerOpsError, UsageError
from stigmer_ops.render.errors import write_error, write_traceback

_NOT_UTF_8 = UsageError(
    "an argument, a variable or a file holds text that is not UTF-8, as ids of Temporal are",
    not_done="the command stopped at this point; stigmer-ops audit show lists writes",
    next_step="type it as UTF-8: export LC_ALL=C.UTF-8",
)

Outcome = ExitCode | Coroutine[Any, Any, ExitCode]
CommandFunction = Callable[..., Outcome]


@dataclasses.dataclass(frozen=True, slots=True)
class Declaration:
    """What a command says of itself, for the reference page and the contract tests.

    Attributes:
        examples: Command lines, without the program's name.
        writes: Whether the command changes anything in Temporal.
        option_sets: The option sets that it takes.
    """

    examples: tuple[str, ...]
    writes: bool
    option_sets: frozenset[type]


def command(
    app: typer.Typer, name: str, *, examples: tuple[str, ...], writes: bool = False
) -> Callable[[CommandFunction], CommandFunction]:
    """Register a function as command `name` of `app`.

    The function's first parameter is the `Invocation`; parameters annotated with an option set,
    which is a dataclass of options, receive it whole. It may be a coroutine function. It returns
    its exit code.
    """

    def register(function: CommandFunction) -> CommandFunction:
        body, option_sets = _spread(function)
        body.__dict__["declaration"] = Declaration(examples, writes, option_sets)
        epilog = "\n\n".join(["Examples:", *(f"stigmer-ops {example}" for example in examples)])
        app.command(name, help=_flowing(inspect.getdoc(function) or ""), epilog=epilog)(body)
        return function

    return register


def _flowing(text: str) -> str:
    """Paragraphs without their line breaks, which Typer would print as they stand."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _spread(function: CommandFunction) -> tuple[Callable[..., None], frozenset[type]]:
    """The function with options for parameters, and the option sets that were among them."""
    hints = get_type_hints(function, include_extras=True)
    own: list[inspect.Parameter] = []
    sets: dict[str, type] = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        hint = hints[parameter.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            sets[parameter.name] = hint
        else:
            own.append(parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY))
    shared = [
        parameter for kind in (*sets.values(), Common) for parameter in _fields_as_parameters(kind)
    ]

    @functools.wraps(function)
    def body(**values: Any) -> None:  # noqa: ANN401 - Typer has checked them
        values = {name: _in_utf8(value) for name, value in values.items()}
        common = _taken(Common, values)
        arguments = {name: _taken(kind, values) for name, kind in sets.items()}
        code = run(common, lambda invocation: function(invocation, **arguments, **values))
        raise typer.Exit(code)

    parameters = [*own, *shared]
    body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # the documented way to tell inspect.signature
    body.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return body, frozenset({Common, *sets.values()})


def _fields_as_parameters(option_set: type) -> list[inspect.Parameter]:
    hints = get_type_hints(option_set, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=field.default,
        )
        for field in dataclasses.fields(option_set)
    ]


def _taken(option_set: type, values: dict[str, Any]) -> Any:  # noqa: ANN401 - an instance of option_set
    names: Mapping[str, Any] = {
        field.name: values.pop(field.name) for field in dataclasses.fields(option_set)
    }
    return option_set(**names)


def _in_utf8(value: Any) -> Any:  # noqa: ANN401 - what Typer made of an option
    """Text as it was typed: ids of Temporal are UTF-8, whatever the locale makes of an argument."""
    if isinstance(value, list):
        return [_in_utf8(each) for each in value]
    if type(value) is str and not value.isascii():
        with suppress(UnicodeError):
            return os.fsencode(value).decode()
    return value


def run(common: Common, call: Callable[[Invocation], Outcome]) -> ExitCode:
    """Run a command's body and turn whatever happens into an exit code."""
    invocation = Invocation(common)
    try:
        result = call(invocation)
        return result if isinstance(result, ExitCode) else _run_async(result)
    except StigmerOpsError as error:
        if common.debug:
            write_traceback(error)
        write_error(error, invocation.output_or_default)
        return error.exit_code
    except UnicodeEncodeError as error:
        if common.debug:
            write_traceback(error)
        write_error(_NOT_UTF_8, invocation.output_or_default)
        return _NOT_UTF_8.exit_code
    except BrokenPipeError:
        return ExitCode.OK
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort before a traceback reaches a person
        return report_defect(error, debug=common.debug)


def report_defect(error: Exception, *, debug: bool) -> ExitCode:
    """Say that stigmer-ops itself is at fault, without the values that a traceback could hold."""
    if debug:
        write_traceback(error)
    sys.stderr.write(
        f"error: a defect in stigmer-ops: {type(error).__name__}\n"
        "  not done: the command stopped at this point; `stigmer-ops audit show` lists writes\n"
        "  next: run it again with --debug and report the traceback\n"
        f"  (internal, exit {ExitCode.INTERNAL.value})\n"
    )
    return ExitCode.INTERNAL


def _run_async(result: Coroutine[Any, Any, ExitCode]) -> ExitCode:
    # An interruption while asyncio is loaded leaves it not begun, which Python would warn of.
    with contextlib.closing(result):
        import asyncio  # a quarter of the start-up time of commands that do without

        try:
            return asyncio.run(result)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
