"""Building the token that is accepted for one attempt only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.token import decode, encode, synthesise, synthesise_standalone
from support.task_tokens import FIRST_ATTEMPT, MESSAGES, SECOND_ATTEMPT, STANDALONE

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
UUIDS = st.uuids().map(str)
PARTS = {
    "namespace_id": "01a20c32-a5a5-70ac-ab7d-e001a720a694",
    "workflow_id": "external-2",
    "run_id": "01a20c32-a721-7122-85eb-b2b3082070b3",
    "scheduled_event_id": 5,
    "attempt": 2,
    "activity_id": "1",
}


def test_synthesised_token_is_the_real_one_without_what_the_server_does_not_compare() -> None:
    built = synthesise(**PARTS)  # type: ignore[arg-type] # a table of mixed types
    assert SECOND_ATTEMPT.startswith(built)
    assert not FIRST_ATTEMPT.startswith(built)


@given(
    st.fixed_dictionaries(
        {
            "namespace_id": UUIDS,
            "workflow_id": IDS,
            "run_id": UUIDS,
            "scheduled_event_id": st.integers(1, (1 << 63) - 1),
            "attempt": st.integers(1, (1 << 31) - 1),
            "activity_id": IDS,
        }
    )
)
def test_synthesised_token_decodes_to_what_went_in(parts: dict[str, object]) -> None:
    raw = synthesise(**parts)  # type: ignore[arg-type] # a table of mixed types
    token = decode(raw)
    assert token.as_dict() == parts
    assert (token.fenced, token.standalone, token.remarks) == (True, False, ())
    assert encode(token) == raw == MESSAGES["t.Task"](**parts).SerializeToString()


def test_synthesised_standalone_token_agrees_with_the_real_one() -> None:
    real = decode(STANDALONE)
    assert real.component_ref is not None
    built = decode(
        synthesise_standalone(
            namespace_id=real.namespace_id,
            activity_id=real.activity_id,
            run_id=real.component_ref.run_id,
            attempt=real.attempt,
        )
    )
    assert built.component_ref is not None
    for name in ("namespace_id", "business_id", "run_id", "archetype_id"):
        assert getattr(built.component_ref, name) == getattr(real.component_ref, name)
    assert (built.attempt, built.activity_id, built.standalone) == (1, "standalone-1", True)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("namespace_id", "default"),
        ("workflow_id", ""),
        ("workflow_id", "\udcff"),
        ("run_id", ""),
        ("scheduled_event_id", 0),
        ("scheduled_event_id", 1 << 63),
        ("attempt", 0),
        ("attempt", 1 << 31),
        ("activity_id", ""),
    ],
)
def test_synthesise_without_a_part_of_the_fence_is_refused(part: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        synthesise(**PARTS | {part: value})  # type: ignore[arg-type] # a table of mixed types
    assert part.replace("_", " ") in caught.value.happened
    assert caught.value.not_done == "nothing was sent"


@pytest.mark.parametrize(
    ("part", "value"),
    [("namespace_id", ""), ("activity_id", ""), ("run_id", "x"), ("attempt", -1)],
)
def test_synthesise_standalone_without_a_part_of_the_fence_is_refused(
    part: str, value: object
) -> None:
    parts = {name: PARTS[name] for name in ("namespace_id", "activity_id", "run_id", "attempt")}
    with pytest.raises(UsageError):
        synthesise_standalone(**parts | {part: value})  # type: ignore[arg-type] # mixed types
