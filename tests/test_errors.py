"""Messages are one line that a terminal can show, whatever they quote."""

import pickle

import pytest

from knuckle.errors import DatasetError, DepthError, KnuckleError, shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a.png: damaged: copy it again", "a.png: damaged: copy it again"),
        ("run  knuckle train  again", "run  knuckle train  again"),
        ("a:\n  b\r\nc\u2028d\x85e", "a: b c d e"),
        ("a\x1b[2Jb\x00c\x9bd", "a [2Jb c d"),
        ("größer als 3 µm – 日本", "größer als 3 µm – 日本"),
    ],
)
def test_a_message_is_one_line_without_control_characters(message: str, shown: str) -> None:
    assert str(DepthError(message)) == shown


def test_of_a_very_long_message_both_ends_are_kept() -> None:
    shown = str(KnuckleError("begin" + "x" * 1_000_000 + "end: the remedy"))
    assert len(shown) < 1100
    assert shown.startswith("beginxxx")
    assert shown.endswith("xxxend: the remedy")


def test_errors_come_back_from_worker_processes() -> None:
    error = pickle.loads(pickle.dumps(DatasetError("a\nb")))
    assert (type(error), str(error)) == (DatasetError, "a b")


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        ("a\n", r"'a\n'"),
        (10**5000, "a int that cannot be written"),
        (Hostile(), "a Hostile that cannot be written"),
        ([0] * 1000, "[0, 0, "),
    ],
    ids=["number", "text", "long", "hostile", "list"],
)
def test_any_value_can_be_shown(value: object, text: str) -> None:
    assert shown(value).startswith(text)
    assert len(shown(value)) < 120
