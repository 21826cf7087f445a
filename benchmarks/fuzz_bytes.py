"""Bytes and text changed at random: bits flipped, blocks lost, repeated and exchanged, numbers replaced by extremes."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

Change = Callable[[bytes, np.random.Generator], bytes]

MOST_BYTES = 1 << 20
"""No changed file is larger: what is asked of the readers is asked of files up to 1 MB."""

_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40)
_LARGEST = ((1 << 63) - 1, 1 << 63, (1 << 64) - 1)

NUMBERS = (
    *("0", "-1", "1", "-0.0", "1e308", "-1e308", "1e-320", "1e999", "nan", "-nan", "inf", "-inf", "NaN", "Infinity"),
    *("2147483648", "4294967296", "9223372036854775808", "-9223372036854775809", "1" + "0" * 330, "9" * 5000),
    *("0x10", "1_000", "1,5", "٣", "1e", ".", "--1", "true", "null", "", " ", '""', "[]", "{}", "1 2", "1\n2"),
)
"""What stands in a text where a number should."""

TOKENS = (
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\x1b[2J", b'"', b"'", b"\\", b",", b"#", b"%", b"../" * 3),
    *(
        b"/etc/passwd",
        b"NUL",
        b"[" * 20_000,
        b'{"a":' * 5_000,
        b"(" * 2_000,
        b"- " * 2_000,
        b"a: &a [*a]\n",
        b"<<: *a\n",
    ),
    *(b"!!python/object/apply:os.system [true]", b"!!timestamp 2001-99-99", b"!!int x", b"invalid\n", b"nan " * 63),
    *("\u2028\ud7ff\U0010ffff".encode(), b"\xed\xa0\x80", b"\x1f\x8b\x08", b"PK\x03\x04", b"PK\x05\x06"),
)
"""What readers of text and of packed files may stumble over."""


def chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def some(rng: np.random.Generator, items: Sequence[T]) -> T:
    return items[int(rng.integers(len(items)))]


def change_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """One to eight changes, mostly one or two."""
    for _ in range(min(8, int(rng.geometric(0.5)))):
        data = some(rng, _BYTE_CHANGES)(data, rng)[: max(MOST_BYTES, len(data))]
    return data


def change_text(data: bytes, rng: np.random.Generator) -> bytes:
    """The same for text: numbers, words and lines."""
    for _ in range(min(8, int(rng.geometric(0.5)))):
        data = some(rng, _TEXT_CHANGES)(data, rng)[: max(MOST_BYTES, len(data))]
    return data


def splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def extreme(rng: np.random.Generator, size: int) -> bytes:
    """An integer of so many bytes that is at the end of its range, or near."""
    value = int(some(rng, _EXTREMES + _LARGEST)) + int(rng.integers(-1, 2))
    return (value % (1 << (8 * size))).to_bytes(size, "little" if chance(rng, 0.6) else "big")


def _place(data: bytes, rng: np.random.Generator) -> int:
    """Anywhere in the data, its head as often as all the rest: that is where the structure is."""
    head = len(data) if chance(rng, 0.5) else min(len(data), 256)
    return int(rng.integers(head + 1))


def _block(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = _place(data, rng)
    length = int(rng.integers(1, 1 + max(1, len(data) // int(some(rng, (2, 16, 256))))))
    return start, min(len(data), start + length)


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        at = _place(data, rng)
        if at < len(changed):
            changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _noise(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _block(data, rng)
    return data[:start] + rng.bytes(end - start) + data[end:]


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _extend(data: bytes, rng: np.random.Generator) -> bytes:
    return data + some(rng, (rng.bytes(int(rng.integers(1, 64))), bytes(int(rng.integers(1, 5000))), data))


def _remove(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _block(data, rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _block(data, rng)
    return data[:end] + data[start:end] * int(some(rng, (1, 1, 2, 50))) + data[end:]


def _exchange(data: bytes, rng: np.random.Generator) -> bytes:
    a, b, c = sorted(_place(data, rng) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _integer(data: bytes, rng: np.random.Generator) -> bytes:
    size = int(some(rng, (1, 2, 4, 4, 8, 8)))
    at = _place(data, rng)
    if chance(rng, 0.7):
        at -= at % size
    return data[:at] + extreme(rng, size) + data[at + size :]


def _token(data: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + some(rng, TOKENS) + data[at + int(some(rng, (0, 0, 1, 4))) :]


def _number(data: bytes, rng: np.random.Generator) -> bytes:
    """One number of a text becomes an extreme one, or none."""
    found = list(re.finditer(rb"-?\d[\d.eE+-]*", data[:100_000]))
    if not found:
        return _token(data, rng)
    at = some(rng, found)
    return data[: at.start()] + some(rng, NUMBERS).encode() + data[at.end() :]


def _lines(data: bytes, rng: np.random.Generator) -> bytes:
    """One line is lost, doubled, moved or cut."""
    lines = data.split(b"\n")
    at = int(rng.integers(len(lines)))
    line = lines.pop(at)
    kept = some(rng, ([], [line, line], [line[: _place(line, rng)]], [line + line], [b""]))
    return b"\n".join(lines[:at] + kept + lines[at:])


_SHUFFLES: tuple[Change, ...] = (_flip, _truncate, _remove, _repeat, _exchange, _token)
_BYTE_CHANGES: tuple[Change, ...] = (*_SHUFFLES, _noise, _extend, _integer, _integer)
_TEXT_CHANGES: tuple[Change, ...] = (*_SHUFFLES, _number, _number, _number, _lines, _lines)
