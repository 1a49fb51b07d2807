from __future__ import annotations

from pathlib import Path

import pytest

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Common, TokenSource
from stigmer_ops.cli.token_input import SIZE_LIMIT, TOKEN_VARIABLE, read_token, token_named
from stigmer_ops.errors import InputError, UsageError

SECRET = "CiQwMWEyMGMzMi1hNWE1LTcwYWMtYWI3ZC1lMDAxYTcyMGE2OTQ" * 3


def invocation(**environment: str) -> Invocation:
    return Invocation(Common(), environment)


def test_file_is_read_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\x0a\x24\xff")

    found = read_token(invocation(), TokenSource(token_file=path))

    assert (found.content, found.place) == (b"\x0a\x24\xff", str(path))
    assert "\\xff" not in repr(found)


def test_variable_is_read() -> None:
    found = read_token(invocation(CALLBACK=SECRET), TokenSource(token_env="CALLBACK"))

    assert (found.content.decode(), found.place) == (SECRET, "$CALLBACK")


def test_argument_works_and_warns(capsys: pytest.CaptureFixture[str]) -> None:
    found = read_token(invocation(), TokenSource(), SECRET)

    assert found.content.decode() == SECRET
    warned = capsys.readouterr().err
    assert "warning" in warned
    assert SECRET not in warned


def test_standing_variable_counts_where_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("named")
    standing = invocation(**{TOKEN_VARIABLE: "standing"})

    assert read_token(standing, TokenSource()).content == b"standing"
    assert read_token(standing, TokenSource(token_file=path)).content == b"named"


def test_two_tokens_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="several tokens"):
        read_token(invocation(), TokenSource(token_file=tmp_path, token_env="CALLBACK"))


def test_no_token_names_the_ways_to_give_one() -> None:
    with pytest.raises(UsageError) as missing:
        read_token(invocation(), TokenSource())

    assert "--token-file" in missing.value.next_step


@pytest.mark.parametrize(
    "source", [TokenSource(token_file=Path(SECRET)), TokenSource(token_env=SECRET)]
)
def test_token_in_the_place_of_its_name_is_not_printed(source: TokenSource) -> None:
    with pytest.raises(InputError) as error:
        read_token(invocation(), source)

    assert SECRET not in error.value.happened
    assert "the token itself?" in error.value.happened


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_token(invocation(), TokenSource(token_file=tmp_path / "absent"))
    with pytest.raises(InputError, match="ABSENT is not set"):
        read_token(invocation(), TokenSource(token_env="ABSENT"))


def test_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(InputError, match=f"more than {SIZE_LIMIT} bytes"):
        read_token(invocation(), TokenSource(token_file=Path("/dev/zero")))


def test_token_named_is_told_from_the_command_line_alone() -> None:
    assert not token_named(TokenSource())
    assert token_named(TokenSource(token_env="CALLBACK"))
    assert token_named(TokenSource(), SECRET)
