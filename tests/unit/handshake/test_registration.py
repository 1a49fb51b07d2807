"""What the SDKs' refusals say of a worker's registrations."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.handshake.registration import (
    Answer,
    NotRegistered,
    ProbeAnswer,
    Registration,
    missing,
    parse_not_registered,
)

CALLBACK = "stigmer/system/complete-external-activity"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "Activity function probe for workflow order-7 is not registered on this worker, "
            "available activities: CallAgentActivity, ChargeCard",
            NotRegistered("probe", ("CallAgentActivity", "ChargeCard")),
            id="python",
        ),
        pytest.param(
            "Activity function probe for workflow  is not registered on this worker, "
            "available activities: CallAgentActivity",
            NotRegistered("probe", ("CallAgentActivity",)),
            id="python, standalone",
        ),
        pytest.param(
            "Activity function probe is not registered on this worker, available activities: A",
            NotRegistered("probe", ("A",)),
            id="python before 1.20",
        ),
        pytest.param(
            "Activity function probe is not registered on this Worker, "
            'available activities: ["sendMail","charge\\"card\\"","grüße"]',
            NotRegistered("probe", ('charge"card"', "grüße", "sendMail")),
            id="typescript",
        ),
        pytest.param(
            "Activity function probe is not registered on this Worker, available activities: []",
            NotRegistered("probe", ()),
            id="typescript, none",
        ),
        pytest.param(
            "Activity probe for workflow wf is not registered on this worker, "
            "available activities: Charge, Refund",
            NotRegistered("probe", ("Charge", "Refund")),
            id="ruby",
        ),
        pytest.param(
            "Activity probe is not registered on this worker, available activities: Charge",
            NotRegistered("probe", ("Charge",)),
            id=".net",
        ),
        pytest.param(
            f"unable to find activityType=probe. Supported types: [{CALLBACK}, Other]",
            NotRegistered("probe", ("Other", CALLBACK)),
            id="go",
        ),
        pytest.param(
            "unable to find activityType=probe. Supported types: []",
            NotRegistered("probe", ()),
            id="go, none",
        ),
        pytest.param(
            'Activity Type "probe" is not registered with a worker. Known types are: b, a',
            NotRegistered("probe", ("a", "b")),
            id="java",
        ),
        pytest.param(
            "java.lang.IllegalArgumentException: "
            'Activity Type "probe" is not registered with a worker. Known types are: ',
            NotRegistered("probe", ()),
            id="java, none, behind the exception's class",
        ),
    ],
)
def test_parse_refusal_of_each_sdk_names_the_types(text: str, said: NotRegistered) -> None:
    assert parse_not_registered(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "connection refused",
        "Encoded failure",
        "Workflow class X is not registered on this worker, available workflows: Y",
    ],
)
def test_parse_any_other_text_is_none(text: str) -> None:
    assert parse_not_registered(text) is None


@pytest.mark.parametrize(
    ("text", "registered"),
    [
        ("unable to find activityType=probe. Supported types: [Aaa, Bbb, Cc", ("Aaa", "Bbb")),
        ("unable to find activityType=probe. Supported types: [Aa", ()),
        (
            "Activity function probe is not registered on this Worker, "
            'available activities: ["Aaa","Bb',
            ("Aaa",),
        ),
    ],
)
def test_parse_truncated_text_leaves_out_half_a_name(
    text: str, registered: tuple[str, ...]
) -> None:
    assert parse_not_registered(text, truncated=True) == NotRegistered(
        "probe", registered, complete=False
    )


NAMES = st.text(st.characters(codec="utf-8", exclude_characters=',[]"'), min_size=1).filter(
    lambda name: name == name.strip()
)


@given(st.lists(NAMES, unique=True))
def test_parse_recovers_whatever_types_a_worker_has(types: list[str]) -> None:
    expected = tuple(sorted(types))
    texts = (
        f"Activity function p for workflow w is not registered on this worker, "
        f"available activities: {', '.join(types)}",
        f"Activity function p is not registered on this Worker, "
        f"available activities: {json.dumps(types)}",
        f"unable to find activityType=p. Supported types: [{', '.join(types)}]",
        f'Activity Type "p" is not registered with a worker. Known types are: {", ".join(types)}',
    )
    for text in texts:
        said = parse_not_registered(text)
        assert said is not None
        assert (said.activity_type, said.registered) == ("p", expected)


@given(st.text() | st.text(alphabet='"\\a,[]\x01'), st.booleans())
def test_parse_never_fails(text: str, truncated: bool) -> None:
    assert parse_not_registered(text, truncated=truncated) is None
    for opening in (
        'Activity Type "p" is not registered with a worker. Known types are: ',
        "unable to find activityType=p. Supported types: [",
        "Activity p is not registered on this worker, available activities: [",
    ):
        assert parse_not_registered(opening + text, truncated=truncated) is not None


def test_missing_of_a_complete_text_is_what_it_does_not_name() -> None:
    assert missing(NotRegistered("probe", ("A", "B")), ("B", "C", "probe")) == ("C", "probe")


def test_missing_of_a_truncated_text_is_only_the_type_that_was_asked_for() -> None:
    assert missing(NotRegistered("C", ("A",), complete=False), ("A", "B", "C")) == ("C",)


def _said(identity: str, *types: str, complete: bool = True) -> ProbeAnswer:
    return ProbeAnswer(
        Answer.REGISTERED_TYPES, identity, NotRegistered("probe", types, complete=complete)
    )


@pytest.mark.parametrize(
    ("answers", "disagree"),
    [
        ((_said("a", "X"), _said("b", "X")), False),
        ((_said("a", "X"), _said("b", "Y")), True),
        ((_said("a", "X"), _said("a", "X", "Y")), True),
        ((_said("a", "X"), _said("b", "Y", complete=False)), False),
        ((_said("a", "X"), ProbeAnswer(Answer.RAN, "b")), False),
        ((), False),
    ],
)
def test_disagree_compares_complete_texts(answers: tuple[ProbeAnswer, ...], disagree: bool) -> None:
    assert Registration(probed=True, answers=answers).disagree is disagree
    assert Registration(probed=False, answers=answers).disagree is False
