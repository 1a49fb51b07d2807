"""`watch` as its users run it: at a terminal, in a pipe, with and without a server."""

from __future__ import annotations

import signal

import pytest

from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import stigmer_ops
from support.live_view import AT_ONCE
from support.terminal import Terminal, at_terminal

LEFT_ALTERNATE_SCREEN, CURSOR_SHOWN = "\x1b[?1049l", "\x1b[?25h"
COLOURS = ("\x1b[31m", "\x1b[1;31m", "\x1b[32m", "\x1b[36m", "\x1b[33m", ";31", ";36")


async def test_pipe_gets_a_line_for_each_refresh(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"still-running": 1, "token-not-passed": 1})
    done = await stigmer_ops(
        *("watch", "--count", "2", "--interval", "1s"),
        variables={**isolated_sandbox.environment(), **AT_ONCE},
    )
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert "2 pending (0-1h: 2)" in first
    assert "1 token-not-passed" in second
    assert done.err == ""


async def test_jsonl_is_a_document_for_each_refresh(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"token-not-passed": 1})
    done = await stigmer_ops(
        *("watch", "--count", "2", "--interval", "1s", "-o", "jsonl", "--diagnose-every", "0"),
        variables=isolated_sandbox.environment(),
    )
    assert done.code == 0, done.err
    first, second = done.lines
    assert [first["kind"], first["refresh"], second["refresh"]] == ["Watch", 1, 2]
    assert first["pending"] == 1
    assert first["verdicts"] == {}
    assert second["calls"] < first["calls"]


async def test_no_server_is_exit_3_with_advice() -> None:
    done = await stigmer_ops("watch", variables={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert done.code == 3
    assert "stigmer-ops config show" in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("-o", "json"), "-o jsonl"), (("--interval", "0.5s"), "less than a second")],
)
async def test_what_cannot_be_watched_is_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    done = await stigmer_ops("watch", *arguments)
    assert done.code == 2
    assert said in done.err + done.out


def is_as_before(terminal: Terminal) -> bool:
    """Whether the terminal shows the shell's screen and its cursor again, last of all."""
    end = terminal.screen[terminal.screen.rindex(LEFT_ALTERNATE_SCREEN) :]
    return CURSOR_SHOWN in end and "PENDING" not in end


@pytest.mark.parametrize(("keys", "code"), [("q", 0), ("\x03", 130)])
async def test_key_ends_it_and_leaves_the_terminal_as_it_was(
    isolated_sandbox: Sandbox, keys: str, code: int
) -> None:
    async with at_terminal("watch", variables=isolated_sandbox.environment()) as terminal:
        modes = terminal.modes
        await terminal.until("PENDING")
        assert terminal.modes != modes
        terminal.type(keys)
        assert await terminal.code(60) == code
        assert terminal.modes == modes
    assert is_as_before(terminal)
    assert "Traceback" not in terminal.screen


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_signal_ends_it_and_leaves_the_terminal_as_it_was(
    isolated_sandbox: Sandbox, number: signal.Signals, code: int
) -> None:
    async with at_terminal("watch", variables=isolated_sandbox.environment()) as terminal:
        modes = terminal.modes
        await terminal.until("PENDING")
        terminal.send(number)
        assert await terminal.code(60) == code
        assert terminal.modes == modes
    assert is_as_before(terminal)


async def test_printed_diagnosis_stays_on_the_terminal(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"token-not-passed": 1})
    variables = {**isolated_sandbox.environment(), **AT_ONCE}
    async with at_terminal("watch", variables=variables) as terminal:
        await terminal.until("CallAgentActivity")
        terminal.type("\r")
        await terminal.until("CRITICAL  token-not-passed")
        terminal.type("p")
        assert await terminal.code(60) == 0
    end = terminal.screen[terminal.screen.rindex(LEFT_ALTERNATE_SCREEN) :]
    assert "CRITICAL  token-not-passed" in end
    assert "stigmer-ops activity fail" in end


async def test_no_color_has_none(isolated_sandbox: Sandbox) -> None:
    variables = {**isolated_sandbox.environment(), "NO_COLOR": "1"}
    async with at_terminal("watch", variables=variables) as terminal:
        await terminal.until("PENDING")
        terminal.type("q")
        assert await terminal.code(60) == 0
    assert not [colour for colour in COLOURS if colour in terminal.screen]


async def test_poor_terminal_gets_lines(isolated_sandbox: Sandbox) -> None:
    variables = {**isolated_sandbox.environment(), "TERM": "dumb"}
    async with at_terminal("watch", "--count", "1", variables=variables) as terminal:
        assert await terminal.code(60) == 0
    assert "0 pending, 0.0 callbacks/min" in terminal.screen
    assert "\x1b" not in terminal.screen


async def test_server_that_cannot_be_read_at_first_ends_the_screen_with_advice(
    isolated_sandbox: Sandbox,
) -> None:
    variables = {**isolated_sandbox.environment(), "TEMPORAL_NAMESPACE": "no-such-namespace"}
    async with at_terminal("watch", variables=variables) as terminal:
        assert await terminal.code(60) == 3
    assert "next: check TEMPORAL_NAMESPACE" in terminal.screen
