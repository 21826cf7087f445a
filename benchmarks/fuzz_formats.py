"""Files changed in the language of their format, checksums mended: what comes past the first look of a reader."""

import ast
import gzip
import hashlib
import io
import json
import struct
import zipfile
import zlib
from pathlib import PurePath
from typing import Any

import numpy as np

from fuzz_bytes import MOST_BYTES, Change, chance, change_bytes, change_text, extreme, some

_TYPES = (
    "<f4",
    "<f8",
    ">f8",
    "<u2",
    "|u1",
    "<i8",
    "|b1",
    "<c16",
    "|O",
    "<M8[s]",
    "<U9",
    "|V8",
    "<f2",
    "<f4,<f4",
    "(3,)<f4",
)
_SIDES = (0, 1, 2, 3, 48, 480, 4096, 1 << 16, 1 << 31, 1 << 40, 1 << 62, 1 << 63, 10**30, -1, -(1 << 40))
_ZEROS = zlib.compress(bytes(40_000_000))
_JSON: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**40, 2**63, 10**400, 0.5, 1e-320, 1e308, float("nan"), float("inf"), [], {}, ""),
    *("x" * 300, "\0", "../../etc", "\ud800", "float64", "gzip", "1", [[]], {"a": 1}, [2**40], [2**40] * 3, [-1], [0]),
)


def change_file(name: str, data: bytes, rng: np.random.Generator) -> bytes:
    """A changed file; a third of them by bytes alone, whatever the name says of its format."""
    kind = PurePath(name).suffix.lower()
    change = _KINDS.get(kind, _of_chunks if "/c/" in name else change_bytes)
    if chance(rng, 1 / 3):
        change = change_bytes
    try:
        return change(data, rng)[: max(MOST_BYTES, len(data))]
    except Exception:  # what is changed a second time may be damaged already
        return change_bytes(data, rng)


def change_json(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four values of a JSON file exchanged for others, lost, or given another name."""
    root = [json.loads(data)]
    for _ in range(min(4, int(rng.geometric(0.5)))):
        holder, key = some(rng, list(_places(root)))
        action = int(rng.integers(8))
        if action == 0 and isinstance(holder, dict):
            del holder[key]
        elif action == 1 and isinstance(holder, dict):
            holder[some(rng, ("x", "", "\0", "seed", "shape", "codecs", key + " "))] = holder[key]
        elif action == 2:
            other, at = some(rng, list(_places(root)))
            holder[key] = json.loads(json.dumps(other[at]))
        elif action == 3 and isinstance(holder[key], list) and holder[key]:
            holder[key] = holder[key] * int(some(rng, (0, 2, 100)))
        else:
            holder[key] = some(rng, _JSON)
    return json.dumps(root[0]).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Any:
    """Every place of a JSON tree, as a holder and its key."""
    for key, below in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(below, dict | list):
            yield from _places(below)


def _of_lines(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.splitlines(keepends=True)
    at = int(rng.integers(len(lines)))
    return b"".join(lines[:at]) + change_json(lines[at], rng) + b"\n" + b"".join(lines[at + 1 :])


def _of_png(data: bytes, rng: np.random.Generator) -> bytes:
    chunks = []
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    chunk = some(rng, chunks)
    if chunk[0] == b"IDAT" and chance(rng, 0.7):
        chunk[1] = _ZEROS if chance(rng, 0.1) else zlib.compress(change_bytes(zlib.decompress(chunk[1]), rng), 1)
    elif chunk[0] == b"IHDR" and chance(rng, 0.7):
        at = int(some(rng, (0, 4, 8, 9, 10, 11, 12)))
        chunk[1] = chunk[1][:at] + extreme(rng, 4 if at < 8 else 1) + chunk[1][at + (4 if at < 8 else 1) :]
    elif chance(rng, 0.5):
        chunks.insert(
            int(rng.integers(len(chunks) + 1)), [some(rng, (b"tEXt", b"PLTE", b"IHDR", b"IDAT", b"acTL")), b"x"]
        )
    else:
        chunk[1] = change_bytes(chunk[1], rng)
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return data[:8] + b"".join(parts)


def _of_npy(data: bytes, rng: np.random.Generator) -> bytes:
    """Another type, shape or order in the header; the body as it is, or changed."""
    length = int.from_bytes(data[8:10], "little")
    header, body = ast.literal_eval(data[10 : 10 + length].decode("latin1")), data[10 + length :]
    action = int(rng.integers(5))
    if action <= 1:
        shape = list(header["shape"]) or [1]
        shape[int(rng.integers(len(shape)))] = int(some(rng, _SIDES))
        header["shape"] = tuple(shape) if chance(rng, 0.8) else some(rng, ((), tuple(shape) * 9, shape, "x", (1.5,)))
    elif action == 2:
        header["descr"] = some(rng, (*_TYPES, "", None, [("a", "<f4")], [["a", "|O"]], "<f99999999999"))
    elif action == 3:
        header["fortran_order"] = some(rng, (True, None, 1, "x"))
    else:
        body = change_bytes(body, rng)
    text = repr(header).encode("latin1", "replace") if chance(rng, 0.9) else change_text(repr(header).encode(), rng)
    return data[:8] + (len(text) % 65536).to_bytes(2, "little") + text + body


def _of_zip(data: bytes, rng: np.random.Generator) -> bytes:
    """Members changed, lost, named otherwise or packed in another way."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [[name, archive.read(name)] for name in archive.namelist()]
    member = some(rng, members)
    action = int(rng.integers(8))
    if action == 0:
        members.remove(member)
    elif action == 1:
        member[0] = some(rng, ("../../evil.npy", "/evil.npy", "x", "", "x" * 300, member[0] + "\0"))
    elif action == 2:
        member[1] = some(rng, (b"", _zeros((1 << 26,), "|u1") + bytes(1 << 26), _zeros((1 << 40,), "|u1"), data[:100]))
    else:
        member[1] = change_file(member[0], member[1], rng)
    method = some(
        rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content, compresslevel=1)
    found = packed.getvalue()
    return found if chance(rng, 0.7) else change_bytes(found, rng)


def _zeros(shape: tuple[int, ...], kind: str) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _of_gzip(data: bytes, rng: np.random.Generator) -> bytes:
    text = change_text(gzip.decompress(data), rng)
    if chance(rng, 0.02):
        text = some(rng, (text[-1:], b"0\n", b"nan ", b"1 2 3\n", b"\n")) * 30_000_000
    return gzip.compress(text[: 1 << 28], 1, mtime=0)


def _of_patches(data: bytes, rng: np.random.Generator) -> bytes:
    """A dictionary of label patches with another header or body, under a checksum that fits."""
    magic = data.index(b"\n") + 1
    length = int.from_bytes(data[magic : magic + 8], "little")
    start = magic + 8 + length
    header, body = json.loads(data[magic + 8 : start]), data[start + -start % 4096 :]
    header["sha256"] = "0" * 64
    if chance(rng, 0.7):
        header = json.loads(change_json(json.dumps(header).encode(), rng))
    if chance(rng, 0.5):
        body = change_bytes(body, rng)
        body += bytes(-len(body) % 4096)

    def packed() -> bytes:
        text = json.dumps(header).encode()
        return data[:magic] + len(text).to_bytes(8, "little") + text + bytes(-(magic + 8 + len(text)) % 4096)

    if isinstance(header, dict):
        header["sha256"] = hashlib.sha256(packed() + body).hexdigest()
    return packed() + body


def _of_safetensors(data: bytes, rng: np.random.Generator) -> bytes:
    length = int.from_bytes(data[:8], "little")
    text = change_json(data[8 : 8 + length], rng)
    size = len(text).to_bytes(8, "little") if chance(rng, 0.9) else extreme(rng, 8)
    return size + text + (data[8 + length :] if chance(rng, 0.7) else change_bytes(data[8 + length :], rng))


def _of_matlab(data: bytes, rng: np.random.Generator) -> bytes:
    """Elements of a version 5 file, unpacked, changed and packed again; one of version 7.3 by its bytes."""
    if not data.startswith(b"MATLAB 5.0"):
        return change_bytes(data, rng)
    elements = []
    at = 128
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        elements.append([kind, data[at + 8 : at + 8 + size]])
        at += 8 + size
    element = some(rng, elements)
    body = zlib.decompress(element[1]) if element[0] == 15 else element[1]
    head = change_bytes(body[:64], rng) if chance(rng, 0.7) else body[:64]
    body = head + (body[64:] if chance(rng, 0.7) else change_bytes(body[64:], rng))
    element[:] = (15, zlib.compress(body)) if chance(rng, 0.7) else (14, body)
    return data[:128] + b"".join(struct.pack("<II", kind, len(body)) + body for kind, body in elements)


def _of_onnx(data: bytes, rng: np.random.Generator) -> bytes:
    """A number or a text of the graph becomes another one: dimensions, names, types, attributes."""
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    part = some(rng, [*graph.initializer[:], *graph.node[:], *graph.input[:], *graph.output[:], model])
    fields = [field for field in type(part).DESCRIPTOR.fields if field.name not in ("graph", "functions")]
    field = some(rng, fields)
    many = getattr(field, "is_repeated", None)
    if callable(many):
        many = many()
    if many:
        values = getattr(part, field.name)
        if field.cpp_type in (1, 2, 3, 4):
            values.append(
                int(some(rng, (0, 1, -1, 1 << 30, 1 << 40))) % (1 << (63 if field.cpp_type in (2, 4) else 31))
            )
        elif len(values):
            del values[int(rng.integers(len(values)))]
    elif field.cpp_type in (1, 2, 3, 4):
        setattr(part, field.name, int(some(rng, (0, 1, 2, 9, 99, 1 << 30))))
    elif field.type == 12:
        setattr(part, field.name, change_bytes(getattr(part, field.name), rng))
    elif field.cpp_type == 9:
        setattr(part, field.name, some(rng, ("", "x", "depth", "Loop", "ConstantOfShape", "../../x")))
    return model.SerializeToString()


def _of_chunks(data: bytes, rng: np.random.Generator) -> bytes:
    """A chunk or shard of a Zarr array, its last four bytes a checksum that fits."""
    from google_crc32c import value

    body = data[:-4]
    if chance(rng, 0.5):  # Blosc's header: version, flags, item size, and sizes unpacked, of a block, and packed
        at = int(some(rng, (0, 1, 2, 3, 4, 8, 12)))
        body = body[:at] + extreme(rng, 4 if at >= 4 else 1) + body[at + (4 if at >= 4 else 1) :]
    else:
        body = change_bytes(body, rng)
    return body + value(body).to_bytes(4, "little")


_KINDS: dict[str, Change] = {
    **dict.fromkeys((".txt", ".csv", ".yaml", ".tsv"), change_text),
    **{".json": change_json, ".jsonl": _of_lines, ".png": _of_png, ".npy": _of_npy, ".npz": _of_zip, ".gz": _of_gzip},
    **{".kdict": _of_patches, ".safetensors": _of_safetensors, ".mat": _of_matlab, ".onnx": _of_onnx, ".pt": _of_zip},
}
