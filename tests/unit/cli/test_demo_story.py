"""What the demo says between its commands, away from a terminal and on a narrow one."""

from __future__ import annotations

import io
import sys

import pytest

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.demo import Story
from stigmer_ops.cli.option_sets import Common

SENTENCE = "You are paged: something is stuck. What is waiting, for how long, and until when?"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", stream)
    Story(Invocation(Common()), {}).write(SENTENCE, "activity", "fail", "--reason", "INC 1")
    return stream.getvalue().splitlines()


def test_sentences_are_broken_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    blank, *comments, command = told(Terminal(), monkeypatch)
    assert blank == ""
    assert len(comments) == 2
    assert all(line.startswith("# ") and len(line) <= 80 for line in comments)
    assert " ".join(line.removeprefix("# ") for line in comments) == SENTENCE
    assert command == "$ stigmer-ops activity fail --reason 'INC 1'"


def test_sentences_are_one_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(io.StringIO(), monkeypatch)[1] == f"# {SENTENCE}"
