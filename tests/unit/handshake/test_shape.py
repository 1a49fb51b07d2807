from __future__ import annotations

from stigmer_ops.handshake.shape import NAMES_SHOWN, ResultShape, differences


def an_object(*keys: str, stored: str = "json/plain") -> ResultShape:
    return ResultShape(stored, "json/plain", json_type="object", keys=frozenset(keys))


def test_same_shape_is_no_difference() -> None:
    assert differences(an_object("a", "b"), [an_object("b", "a")]) == []


def test_nothing_to_compare_with_is_no_difference() -> None:
    assert differences(an_object("a"), []) == []


def test_nearest_of_the_recent_shapes_counts() -> None:
    assert differences(an_object("a"), [an_object("x", "y"), an_object("a")]) == []


def test_names_that_only_one_has_are_told_apart() -> None:
    assert differences(an_object("a", "mine"), [an_object("a", "theirs")]) == [
        "it lacks theirs",
        "recent ones lack its mine",
    ]


def test_long_lists_of_names_are_cut() -> None:
    many = [f"key{number:02}" for number in range(NAMES_SHOWN + 3)]

    (said,) = differences(an_object(), [an_object(*many)])

    assert said.endswith("and 3 more")
    assert f"key{NAMES_SHOWN:02}" not in said


def test_other_encoding_message_type_and_json_type_are_named() -> None:
    ours = ResultShape("json/plain", "json/plain", json_type="string")
    theirs = ResultShape("json/protobuf", "json/protobuf", "ai.stigmer.X", "object")

    said = "; ".join(differences(ours, [theirs]))

    assert "stored as json/plain, recent ones as json/protobuf" in said
    assert "messageType is none, that of recent ones ai.stigmer.X" in said
    assert "JSON type is string, that of recent ones object" in said
    assert "codec" not in said


def test_missing_codec_is_named_as_the_cause() -> None:
    (said,) = differences(an_object("a"), [ResultShape("binary/encrypted")])

    assert "--codec-endpoint" in said


def test_shapes_below_the_same_codec_are_compared() -> None:
    ours, theirs = (an_object(key, stored="binary/encrypted") for key in ("a", "b"))

    assert differences(ours, [theirs]) == ["it lacks b", "recent ones lack its a"]
