"""Depth files good, bad and random: what is read is what was written, and every bad one ends in one `DepthError`."""

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from knuckle import depth as depth_module
from knuckle.depth import check_depth, read_depth, write_depth
from knuckle.depth.msra import decode_bin, encode_bin
from knuckle.errors import DepthError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
STEPS = np.random.default_rng(0).integers(400, 900, (30, 40)).astype(np.uint16)
STEPS[::7] = 0

frames = hnp.arrays(np.uint16, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.integers(0, 65535))
near_frames = hnp.arrays(np.uint16, (6, 5), elements=st.integers(300, 900))


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, interlace: int = 0, extra: bytes = b"") -> bytes:
    """A PNG file by hand: rows, each behind its filter byte, are compressed; extra chunks come before them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))
    return SIGNATURE + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")


def grey16(steps: NDArray[np.uint16], extra: bytes = b"") -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in steps)
    return png(steps.shape[1], steps.shape[0], 16, 0, rows, extra=extra)


def encode(image: NDArray[Any], kind: str = ".png") -> bytes:
    return bytes(cv2.imencode(kind, image)[1].tobytes())


def nyu(mm: NDArray[np.uint16]) -> bytes:
    packed = np.stack([mm % 256, mm // 256, np.zeros_like(mm)], axis=-1)  # (H, W, 3) BGR
    return encode(packed.astype(np.uint8))


def npy(array: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def npy_header(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    return b"\x93NUMPY" + version + length + header.encode("latin1") + data


@pytest.fixture
def frame_path(tmp_path: Path) -> Path:
    return tmp_path / "frame.png"


GOOD = {
    "16-bit PNG": encode(STEPS),
    "NYU": nyu(STEPS),
    "integer .npy": npy(STEPS),
    "signed .npy": npy(STEPS.astype(np.int64)),
    "big-endian .npy": npy(STEPS.astype(">u2")),
    "column-major .npy": npy(np.asfortranarray(STEPS)),
    "PNG with odd ancillary chunks": grey16(STEPS, chunk(b"tRNS", b"x") + chunk(b"gAMA") + chunk(b"iCCP", b"\0\0\0")),
    "bytes after the end": encode(STEPS) + b"more",
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD.keys())
@pytest.mark.parametrize("unit", [None, 1, 0.125, np.float32(0.5)])
def test_good_files(frame_path: Path, capfd: pytest.CaptureFixture[str], data: bytes, unit: float | None) -> None:
    frame_path.write_bytes(data)
    depth = read_depth(frame_path, unit)
    assert depth.dtype == np.float32
    assert (depth == STEPS * np.float32(unit or 1)).all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_are_millimetres_whatever_the_unit(tmp_path: Path, dtype: Any) -> None:
    np.save(tmp_path / "frame.npy", STEPS.astype(dtype))
    assert (read_depth(tmp_path / "frame.npy", 0.125) == STEPS).all()


def test_pixels_in_several_chunks(frame_path: Path) -> None:
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in STEPS))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 16, 0, 0, 0, 0))
    parts = b"".join(chunk(b"IDAT", rows[at : at + 100]) for at in range(0, len(rows), 100))
    frame_path.write_bytes(SIGNATURE + header + parts + chunk(b"IEND"))
    assert (read_depth(frame_path) == STEPS).all()


def header_of(width: int, height: int) -> bytes:
    return png(width, height, 16, 0, zlib.compress(b"\0" * 1000))


GREY8, COLOUR = (STEPS // 4).astype(np.uint8), np.random.default_rng(1).integers(0, 255, (30, 40, 3)).astype(np.uint8)
DARK = COLOUR // 64 + 1  # green·256 + blue would be a possible depth
CYAN = COLOUR * np.array([1, 1, 0], np.uint8)  # an empty red channel, but no depths
FLOATS = STEPS.astype(np.float32)
BAD: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "empty"),
    "text": (b"hello, this is no image", "not a depth image"),
    "JPEG": (encode(COLOUR, ".jpg"), "not a depth image"),
    "8-bit grey": (encode(GREY8), "8-bit grey image"),
    "16-bit colour": (encode(np.dstack([STEPS] * 3)), "16-bit colour image"),
    "colour": (encode(COLOUR), "colour image"),
    "dark colour": (encode(DARK), "colour image"),
    "colour without red": (encode(CYAN), "colour image"),
    "colour with alpha": (encode(np.dstack([COLOUR, GREY8])), "8-bit transparent image"),
    "palette": (png(2, 2, 8, 3, b"\0\0\0" * 2, extra=chunk(b"PLTE", b"abc")), "8-bit colour image"),
    "interlaced": (png(2, 2, 16, 0, b"\0" * 20, interlace=1), "interlaced"),
    "only a signature": (SIGNATURE, "damaged file, it ends within its header"),
    "half a file": (encode(STEPS)[: len(encode(STEPS)) // 2], "damaged file, the file is truncated"),
    "no IEND": (encode(STEPS)[:-12], "truncated"),
    "last byte missing": (encode(STEPS)[:-1], "truncated"),
    "bad checksum": (encode(STEPS)[:-20] + b"????" + encode(STEPS)[-16:], "checksum"),
    "first chunk not a header": (SIGNATURE + chunk(b"IDAT", b"x" * 40), "header is wrong"),
    "no pixels": (SIGNATURE + grey16(STEPS)[8:33] + chunk(b"IEND"), "do not fill"),
    "pixels not compressed": (SIGNATURE + grey16(STEPS)[8:33] + chunk(b"IDAT", b"junk" * 9) + chunk(b"IEND"), "decomp"),
    "too few pixels": (png(40, 30, 16, 0, b"\0" * 2429), "do not fill"),
    "too many pixels": (png(40, 30, 16, 0, b"\0" * 2431), "do not fill"),
    "unknown row filter": (png(40, 30, 16, 0, b"\5" + b"\0" * 2429), "do not fill"),
    "no width": (header_of(0, 30), "0 x 30"),
    "20,000 x 20,000": (header_of(20_000, 20_000), "20000 x 20000"),
    "largest PNG": (header_of(2**31 - 1, 2**31 - 1), "2147483647"),
    "bomb": (png(40, 30, 16, 0, b"\0" * 50_000_000), "do not fill"),
    "all zero": (encode(STEPS * 0), "no measurement at all"),
    "all zero, NYU": (nyu(STEPS * 0), "no measurement at all"),
    "npy: NaN": (npy(np.array([[np.nan, np.inf, 500], [np.nan, 5, -3]])), "2 NaN, 1 infinite, 1 negative of 6"),
    "npy: negative": (npy(-FLOATS[1:]), "negative"),
    "npy: three axes": (npy(FLOATS[None]), "holds float32 of shape"),
    "npy: complex": (npy(FLOATS * 1j), "holds complex"),
    "npy: booleans": (npy(STEPS > 3), "holds bool"),
    "npy: text": (npy(np.array([["a"]])), "holds <U1"),
    "npy: no rows": (npy(FLOATS[:0]), "40 x 0"),
    "npy: pickled objects": (npy(np.array([[print]]), allow_pickle=True), "holds object"),
    "npy: metres": (npy(FLOATS / 1000), "give depth in millimetres"),
    "npy: truncated": (npy(FLOATS)[:-1], "truncated"),
    "npy: cut within its header": (npy(FLOATS)[:40], "header"),
    "npy: only a signature": (b"\x93NUMPY", "header"),
    "npy: unknown version": (npy(FLOATS).replace(b"NUMPY\x01", b"NUMPY\x09"), "header"),
    "npy: code for a header": (npy_header("__import__('os').system('exit 1')\n"), "header"),
    "npy: deep header": (npy_header("(" * 9000 + "\n"), "header"),
    "npy: huge": (npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (20000, 20000)}\n"), "20000 x 20000"),
    "npy: negative shape": (npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}\n"), "impossible"),
    "npy: no dtype": (npy_header("{'descr': 'what', 'fortran_order': False, 'shape': (1, 1)}\n"), "header"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD.keys())
def test_bad_files(frame_path: Path, capfd: pytest.CaptureFixture[str], data: bytes, message: str) -> None:
    frame_path.write_bytes(data)
    with pytest.raises(DepthError) as caught:
        read_depth(frame_path)
    text = str(caught.value)
    assert text.startswith(f"{frame_path}: ")
    assert message in text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")  # libpng and OpenCV have nothing to add


@pytest.mark.parametrize("name", ["nowhere.png", ".", "with\0null.png"])
def test_files_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(DepthError, match=r"cannot read|not a file name"):
        read_depth(tmp_path / name)


def test_a_file_larger_than_any_depth_image(frame_path: Path) -> None:
    with frame_path.open("wb") as file:
        file.write(SIGNATURE)
        file.truncate(200 << 20)  # sparse: takes no room on the disk
    with pytest.raises(DepthError, match="larger than any depth image"):
        read_depth(frame_path)


@pytest.mark.parametrize("unit", [0, -1, np.nan, np.inf, "1", True, 1e-9, 1e9, [1]])
def test_impossible_units(frame_path: Path, unit: Any) -> None:
    frame_path.write_bytes(GOOD["16-bit PNG"])
    with pytest.raises(DepthError, match="unit_mm must be"):
        read_depth(frame_path, unit)
    with pytest.raises(DepthError, match="unit_mm must be"):
        write_depth(frame_path, FLOATS, unit)


@pytest.mark.parametrize(("unit", "where"), [(100, r"\d\d\.\d m"), (0.001, r"0\.\d+ mm")])
def test_a_unit_that_puts_the_hand_nowhere_is_named_with_the_remedy(frame_path: Path, unit: float, where: str) -> None:
    frame_path.write_bytes(GOOD["16-bit PNG"])
    with pytest.raises(DepthError, match=rf"unit_mm={unit} puts the median pixel at {where}: .*--unit-mm"):
        read_depth(frame_path, unit)


@given(frames, st.floats(0.01, 10))
@example(np.array([[65535, 300]], np.uint16), 0.125)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, steps: NDArray[Any], unit: float) -> None:
    path = tmp_path_factory.mktemp("depth") / "frame.png"
    depth = steps.astype(np.float32) * np.float32(unit)
    write_depth(path, depth, unit)
    assert [file.name for file in path.parent.iterdir()] == ["frame.png"]  # nothing temporary is left
    assert (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == steps).all()
    try:
        expected = check_depth(depth)
    except DepthError:
        with pytest.raises(DepthError):
            read_depth(path, unit)
    else:
        assert read_depth(path, unit) == pytest.approx(expected)


@given(near_frames)
def test_nyus_packing(tmp_path_factory: pytest.TempPathFactory, mm: NDArray[np.uint16]) -> None:
    path = tmp_path_factory.mktemp("nyu") / "frame.png"
    path.write_bytes(nyu(mm))
    assert (read_depth(path) == mm).all()


def test_writing_rounds_to_the_nearest_step(frame_path: Path) -> None:
    write_depth(frame_path, [[500.06, 500.07, 0]], unit_mm=0.125)
    assert read_depth(frame_path, 0.125).tolist() == [[500.0, 500.125, 0]]


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        ([[1.0, np.nan]], "1 NaN of 2"),
        ([[-1.0]], "1 negative"),
        ([1.0, 2.0], "shape"),
        ([[9000.0]], "does not fit 16 bits in steps of unit_mm=0.125: use unit_mm=0.137"),
    ],
)
def test_what_cannot_be_written(frame_path: Path, depth: Any, message: str) -> None:
    with pytest.raises(DepthError, match=message):
        write_depth(frame_path, depth, 0.125)
    assert not frame_path.exists()


def test_the_suggested_unit_fits(frame_path: Path) -> None:
    write_depth(frame_path, [[9000.0]], 0.1375)
    assert read_depth(frame_path, 0.1375) == pytest.approx(9000, abs=0.07)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DepthError, match="cannot write"):
        write_depth(tmp_path / "nowhere" / "frame.png", FLOATS)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DepthError, match="cannot write"):
        write_depth(tmp_path / "folder", FLOATS)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_lies_under_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DepthError, match=r"file.frame\.png: cannot write"):
        write_depth(tmp_path / "file" / "frame.png", FLOATS)


def test_check_depth_hands_back_float32_as_it_is() -> None:
    assert check_depth(FLOATS) is FLOATS
    assert check_depth(STEPS.tolist()).dtype == np.float32


@pytest.mark.parametrize(
    "array",
    [None, 500, [500, 600], [[[500]]], [[]], [["a"]], [[500], [1, 2]], [[True]], [[1j]], [[1e300, 500]], [[None]]],
)
def test_arrays_that_are_no_depth(array: Any) -> None:
    with pytest.raises(DepthError, match="camera 3: "):
        check_depth(array, "camera 3")


def test_a_signalling_nan_is_counted_as_any_other() -> None:
    """Nobody computes one, but a damaged file may hold it; to turn it into float32 is an invalid operation."""
    depth = np.full((3, 4), 600.0)
    depth.view(np.uint64)[1, 2] = 0x7FF0_0000_0000_0001
    with pytest.raises(DepthError, match="camera 3: 1 NaN of 12"):
        check_depth(depth, "camera 3")


mixed = st.one_of(st.just(0), st.floats(0, 9.9), st.floats(10, 20_000), st.floats(20_001, 1e6))


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=mixed.map(np.float32)))
def test_the_range_check_is_the_median_of_the_measurements(depth: NDArray[np.float32]) -> None:
    ordered = np.sort(depth[depth > 0])
    # Half of them out of range and half in is let pass, so at an even count either middle one may be the median.
    middle = ordered[[(len(ordered) - 1) // 2, len(ordered) // 2]] if len(ordered) else ordered
    possible = ((middle >= depth_module.NEAR_MM) & (middle <= depth_module.FAR_MM)).any()
    both_ends = len(ordered) > 0 and middle[0] < depth_module.NEAR_MM and middle[-1] > depth_module.FAR_MM
    if possible or both_ends:
        assert check_depth(depth) is depth
    else:
        with pytest.raises(DepthError):
            check_depth(depth)


def msra_bin(*header: int, values: NDArray[Any]) -> bytes:
    """width, height, left, top, right, bottom, and the window's mm."""
    return struct.pack("<6i", *header) + values.astype("<f4").tobytes()


windows = st.tuples(*[st.integers(1, 12)] * 2).flatmap(
    lambda size: st.tuples(
        st.just(size), *[st.lists(st.integers(0, end), min_size=2, max_size=2, unique=True) for end in size]
    )
)


@given(windows, st.integers(0, 2**32 - 1))
def test_windows_of_bin_return(shape: tuple[tuple[int, int], list[int], list[int]], seed: int) -> None:
    (width, height), (left, right), (top, bottom) = shape[0], sorted(shape[1]), sorted(shape[2])
    depth = np.random.default_rng(seed).uniform(0, 2000, (height, width)).astype(np.float32)
    data = encode_bin(depth, (left, top, right, bottom))
    assert data == msra_bin(width, height, left, top, right, bottom, values=depth[top:bottom, left:right])
    found = decode_bin(data, "a.bin")
    for row in range(height):
        for column in range(width):
            inside = top <= row < bottom and left <= column < right
            assert found[row, column] == (depth[row, column] if inside else 0)


@pytest.mark.parametrize("name", ["frame.bin", "000000_depth.bin", "FRAME.BIN"])
def test_bin_is_in_millimetres_whatever_the_unit(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(msra_bin(5, 4, 1, 2, 4, 4, values=np.array([[500, 501.5, 502], [0, 600, 601]])))
    expected = np.zeros((4, 5))
    expected[2:, 1:4] = [[500, 501.5, 502], [0, 600, 601]]
    for unit in (None, 0.125):
        depth = read_depth(tmp_path / name, unit)
        assert depth.dtype == np.float32
        assert depth.tolist() == expected.tolist()


ONES = np.full((2, 2), 500)
BAD_BIN: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "the file is empty"),
    "half a header": (msra_bin(4, 4, 0, 0, 2, 2, values=ONES)[:23], "ends within its header"),
    "a header alone": (msra_bin(4, 4, 0, 0, 2, 2, values=ONES)[:24], "it has 24 bytes, not 40"),
    "a byte short": (msra_bin(4, 4, 0, 0, 2, 2, values=ONES)[:-1], "it has 39 bytes, not 40"),
    "a byte more": (msra_bin(4, 4, 0, 0, 2, 2, values=ONES) + b"x", "it has 41 bytes, not 40"),
    "no window": (msra_bin(4, 4, 2, 0, 2, 2, values=ONES[:0]), "its window 2, 0 to 2, 2 is none of 4 x 4 px"),
    "a window inside out": (msra_bin(4, 4, 3, 3, 1, 1, values=ONES), "its window"),
    "a window to the left": (msra_bin(4, 4, -1, 0, 1, 2, values=ONES), "its window -1, 0 to 1, 2"),
    "a window to the right": (msra_bin(4, 4, 3, 0, 5, 2, values=ONES), "its window"),
    "a window below": (msra_bin(4, 4, 0, 3, 2, 5, values=ONES), "its window"),
    "no width": (msra_bin(0, 4, 0, 0, 2, 2, values=ONES), "an image of 0 x 4 px"),
    "a negative height": (msra_bin(4, -4, 0, 0, 2, 2, values=ONES), "an image of 4 x -4 px"),
    "huge": (msra_bin(2**31 - 1, 2**31 - 1, 0, 0, 2, 2, values=ONES), "an image of 2147483647"),
    "NaN": (msra_bin(4, 4, 0, 0, 2, 2, values=np.array([[np.nan, 500], [500, 500]])), "1 NaN of 16 depth values"),
    "infinity": (msra_bin(4, 4, 0, 0, 2, 2, values=np.array([[np.inf, 500], [500, 500]])), "1 infinite of 16"),
    "negative": (msra_bin(4, 4, 0, 0, 2, 2, values=-ONES), "4 negative of 16 depth values"),
    "nothing measured": (msra_bin(4, 4, 0, 0, 2, 2, values=ONES * 0), "no measurement at all"),
    "metres": (msra_bin(4, 4, 0, 0, 2, 2, values=ONES / 1000), "give depth in millimetres"),
    "text": (b"hello, this is a text of some length\n", "an image of"),
}


@pytest.mark.parametrize(("data", "message"), BAD_BIN.values(), ids=BAD_BIN.keys())
def test_bad_bin(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "frame.bin"
    path.write_bytes(data)
    with pytest.raises(DepthError) as caught:
        read_depth(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bin_is_known_by_its_name_alone(frame_path: Path) -> None:
    frame_path.write_bytes(msra_bin(4, 4, 0, 0, 2, 2, values=ONES))
    with pytest.raises(DepthError, match="not a depth image"):
        read_depth(frame_path)
    png_named_bin = frame_path.with_suffix(".bin")
    png_named_bin.write_bytes(GOOD["16-bit PNG"])
    assert (read_depth(png_named_bin) == STEPS).all()


@pytest.mark.parametrize("window", [(0, 0, 41, 30), (0, 0, 40, 31), (-1, 0, 5, 5), (5, 0, 5, 5), (0, 9, 5, 8)])
def test_a_window_outside_of_the_image_is_not_written(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(DepthError, match="is none of 40 x 30 px"):
        encode_bin(FLOATS, window)


def read_or_refuse(path: Path, data: bytes) -> None:
    """Anything but an array or a `DepthError` is a failure."""
    path.write_bytes(data)
    refusal = None
    try:
        depth = read_depth(path)
    except DepthError as error:
        refusal = str(error)
    if refusal is None:
        assert depth.ndim == 2
        assert depth.dtype == np.float32
    else:
        assert refusal.startswith(f"{path}: ")
        assert "\n" not in refusal


@settings(max_examples=300)
@given(st.sampled_from([b"", SIGNATURE, grey16(STEPS)[:33], b"\x93NUMPY", b"\x93NUMPY\x01\x00"]), st.binary())
def test_random_bytes(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes) -> None:
    read_or_refuse(tmp_path_factory.getbasetemp() / "random", start + rest)


@settings(max_examples=300)
@given(st.sampled_from(list(GOOD)), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), max_size=4))
def test_flipped_bits(tmp_path_factory: pytest.TempPathFactory, kind: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD[kind])
    for place, bit in flips:
        data[place % min(len(data), 400)] ^= 1 << bit  # headers and the first pixels: there is more to break
    read_or_refuse(tmp_path_factory.getbasetemp() / "flipped", bytes(data))


@settings(max_examples=200)
@given(st.lists(st.integers(-2, 6), min_size=6, max_size=6), st.binary(max_size=150))
def test_random_bin(tmp_path_factory: pytest.TempPathFactory, header: list[int], rest: bytes) -> None:
    read_or_refuse(tmp_path_factory.getbasetemp() / "random.bin", struct.pack("<6i", *header) + rest)


@settings(max_examples=200)
@given(st.text(), st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00"]), st.binary())
def test_random_npy_headers(tmp_path_factory: pytest.TempPathFactory, text: str, version: bytes, rest: bytes) -> None:
    header = text.encode("latin1", "ignore").decode("latin1")
    read_or_refuse(tmp_path_factory.getbasetemp() / "header", npy_header(header + "\n", rest, version))


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([(16, 0, 3), (8, 2, 4)]))
def test_random_pixels_and_compressed_streams(
    tmp_path_factory: pytest.TempPathFactory, pixels: bytes, form: tuple[int, int, int]
) -> None:
    bits, colour, stride = form  # one pixel a row
    path = tmp_path_factory.getbasetemp() / "pixels"
    read_or_refuse(path, png(1, max(1, len(pixels) // stride), bits, colour, pixels))
    header = png(1, max(1, len(pixels) // stride), bits, colour, b"")[:33]
    read_or_refuse(path, header + chunk(b"IDAT", b"\x78\x9c" + pixels) + chunk(b"IEND"))


def test_every_real_frame_is_read(shared_data: Path) -> None:
    paths = sorted(shared_data.glob("frames/*/*.png"))
    assert paths
    for path in paths:
        depth = read_depth(path, 0.125 if path.parent.name == "sr305" else None)
        assert (depth == cv2.imread(str(path), cv2.IMREAD_UNCHANGED) * (0.125 if "sr305" in str(path) else 1)).all()


def test_a_real_nyu_frame_has_its_joints_just_behind_the_surface(shared_data: Path) -> None:
    depth = read_depth(shared_data / "nyu" / "depth_1_0000001.png")
    assert depth.shape == (480, 640)
    with gzip.open(shared_data / "nyu" / "test_groundtruth_uvd.txt.gz", "rt") as file:
        joints = np.array(file.readline().split(), float).reshape(14, 3)  # u px, v px, d mm
    columns, rows = np.rint(joints[:, :2]).astype(int).T
    behind = joints[:, 2] - depth[rows, columns]
    assert behind.min() >= 2  # 2.6 mm measured at the nearest pixel (3.3 with u and v truncated)
    assert behind.max() <= 35  # 32.8 mm (34.8)
