"""The estimator on arrays and cameras of every kind, and the command line on bad files and options."""

import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzz_bytes import chance, some
from fuzz_formats import change_file
from fuzz_target import CallTarget, FaultError
from knuckle.camera import Camera
from knuckle.cli import main
from knuckle.cli.inference import FRAMES
from knuckle.depth import read_depth
from knuckle.errors import KnuckleError
from knuckle.estimator import Hand, HandPoseEstimator
from knuckle.tracking import HandTracker, TrackingSettings

_TYPES = (
    "f4",
    "f8",
    "f2",
    ">f4",
    "u1",
    "u2",
    "i2",
    "i4",
    "i8",
    "u8",
    "?",
    "c8",
    "O",
    "S3",
    "U3",
    "M8[s]",
    "V4",
    "f4,f4",
)
_SIDES = (0, 1, 2, 3, 7, 47, 48, 49, 120, 161, 240)
_NUMBERS: tuple[Any, ...] = (
    *(0.0, -1.0, 1.0, 1e-30, 1e-9, 0.5, 50.0, 500.0, 1e4, 1e6, 1e30, 1e300, float("nan"), float("inf"), -float("inf")),
    *(True, None, "500", 1j, 10**400, 10**5000, np.float32(500), np.int8(5), [], np.zeros(3), b"1"),
)
_LENGTHS: tuple[Any, ...] = (1, 2, 48, 160, 240, 0, -1, 2**31, 2**63, 10**5000, 1.5, True, None, "4", np.int64(48))


_VIEWS: tuple[Callable[[Any], Any], ...] = (
    *(np.copy, np.copy, np.asfortranarray, lambda a: a[::-1, ::-1], lambda a: a[::3, ::2], lambda a: a.T),
    *(lambda a: a * 1e-3, lambda a: a * 100.0, lambda a: a[:1], lambda a: a[:, :2]),
)


def _array(rng: np.random.Generator, real: np.ndarray) -> Any:
    """A depth frame, a damaged one, or what is none."""
    kind = int(rng.integers(10))
    if kind == 0:
        shape = tuple(int(some(rng, _SIDES)) for _ in range(int(rng.integers(0, 4))))
        return np.zeros(shape, dtype=some(rng, _TYPES))
    if kind == 1:
        return some(
            rng, (None, 1, "x", [], [[1, 2], [3]], {}, [[1.0, 2.0]], object(), b"123", np.ma.masked_all((3, 3)))
        )
    if kind == 2:
        size = int(some(rng, _SIDES)), int(some(rng, _SIDES))
        with np.errstate(all="ignore"):
            return (rng.normal(size=size) * 10.0 ** rng.integers(-3, 6)).astype(some(rng, _TYPES[:10]))
    frame = np.array(real, dtype=some(rng, ("f4", "f8", ">f4", "f2", "u2")))
    for _ in range(int(rng.integers(1, 4))):
        rows, columns = np.sort(rng.integers(0, frame.shape[0] + 1, 2)), np.sort(rng.integers(0, frame.shape[1] + 1, 2))
        bad = some(rng, (0, 1, 149, 150, 1500, 1501, 20_000, 60_000, np.nan, np.inf, -1, 1e-30, 3e38))
        with np.errstate(all="ignore"):
            frame[slice(*rows), slice(*columns)] = np.asarray(bad).astype(frame.dtype)
    with np.errstate(all="ignore"):
        return some(rng, _VIEWS)(frame)


def _camera(rng: np.random.Generator, frame: Any) -> Camera:
    """Mostly of the frame's size. Raises `CameraError` where it should."""
    shape = np.shape(frame) if isinstance(frame, np.ndarray) and np.ndim(frame) == 2 else (240, 320)
    height, width = shape if chance(rng, 0.9) else (some(rng, _LENGTHS), some(rng, _LENGTHS))
    focal = [some(rng, (300.0, 250.0)) if chance(rng, 0.8) else some(rng, _NUMBERS) for _ in range(2)]
    middle = [some(rng, (120.0, 160.0)) if chance(rng, 0.8) else some(rng, _NUMBERS) for _ in range(2)]
    return Camera(*focal, *middle, width, height)


def _check(hand: Hand | None, frame: Any) -> None:
    if hand is None:
        return
    numbers = (hand.joints, hand.pixels, hand.confidence, hand.center)
    if not all(np.isfinite(array).all() for array in numbers) or hand.parts.shape != np.shape(frame):
        raise FaultError("error: a hand with numbers that are not finite")


def _estimator() -> Callable[[np.random.Generator], object]:
    find, camera = HandPoseEstimator(threads=1), Camera.load(FRAMES / "camera.json")
    real = read_depth(FRAMES / "1-open.png", camera.depth_unit_mm)[::2, ::2]

    def case(rng: np.random.Generator) -> None:
        frame = _array(rng, real)
        seen_by = _camera(rng, frame)
        wanted: dict[str, Any] = {}
        if chance(rng, 0.5):
            place = [some(rng, (0.0, 500.0)) if chance(rng, 0.7) else some(rng, _NUMBERS) for _ in range(3)]
            wanted["center"] = place if chance(rng, 0.8) else some(rng, _NUMBERS)
        if chance(rng, 0.3):
            wanted["side"] = some(rng, ("left", "right", "auto", "up", "", None, 3, ["left"], np.str_("left")))
        if chance(rng, 0.3):
            wanted["cube_mm"] = some(rng, (*_NUMBERS, 100.0, 250.0, 500.0))
        if chance(rng, 0.7):
            _check(find(frame, seen_by, **wanted), frame)
        elif chance(rng, 0.5):
            wanted.pop("center", None)
            for hand in find.find(frame, seen_by, **wanted):
                _check(hand, frame)
        else:
            tracker = HandTracker(find, TrackingSettings())
            for index in range(2):
                for tracked in tracker(frame, seen_by, some(rng, (index / 30, 0.0, -1.0, float("nan"), 1e300))):
                    _check(tracked.hand, frame)

    return case


def _command_line() -> Callable[[np.random.Generator], object]:
    files = _Files(Path(tempfile.mkdtemp(prefix="knuckle-fuzz-cli-")))

    def case(rng: np.random.Generator) -> None:
        arguments = files.arguments(rng)
        out, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            code = main(arguments)
        if code not in (0, 2) or "Traceback" in said.getvalue() or (code == 2 and not said.getvalue().strip()):
            raise FaultError(f"error: exit code {code} of {arguments}: {said.getvalue()[:200]!r}")
        if code == 2:
            raise KnuckleError(said.getvalue().strip().splitlines()[0])

    return case


class _Files:
    """Valid files of every kind in a folder, and beside them a changed one."""

    def __init__(self, folder: Path) -> None:
        from fuzz_readers import file_targets

        self._folder = folder
        self._files: list[Path] = []
        for target in file_targets():
            if target.name not in ("onnx-shipped", "report"):
                (folder / target.name).mkdir()
                target.make(folder / target.name)
        self._files = sorted(path for path in folder.rglob("*") if path.is_file())
        self._changed: tuple[Path, bytes] | None = None

    def arguments(self, rng: np.random.Generator) -> list[str]:
        """A command on a file, or the folder of one, that was just changed."""
        if self._changed is not None:
            self._changed[0].write_bytes(self._changed[1])
        path = some(rng, self._files)
        self._changed = path, path.read_bytes()
        path.write_bytes(change_file(str(path), path.read_bytes(), rng))
        root = self._folder / path.relative_to(self._folder).parts[0]
        place = some(rng, (path, path, root, next(iter(sorted(root.iterdir())))))
        return [str(argument) for argument in some(rng, self._commands(place, root))]

    def _commands(self, place: Path, root: Path) -> list[list[Any]]:
        camera = next(iter(root.glob("camera.json")), self._folder / "folder" / "camera.json")
        out = self._folder.with_name(f"{self._folder.name}-out")
        kind = next((name for name in ("nyu", "icvl", "msra15", "hands17") if root.name.startswith(name)), "frames")
        return [
            ["predict", place, "--camera", camera, "--json"],
            ["predict", place, "--camera", camera, "--out", out],
            ["predict", place, "--json", "--frames", 2],
            ["predict", self._folder / "depth-png" / "a.png", "--camera", camera, "--weights", root],
            ["data", "check", "--dataset", kind, root, "--json"],
            ["evaluate", "--dataset", kind, "--truth", root, place],
            ["evaluate", "--dataset", "icvl", "--truth", self._folder / "predictions" / "truth.txt", place],
            ["report", place, "--out", out],
            ["train", place, "--out", self._folder / "camera" / "camera.json"],
            ["restore", place, "--dictionary", self._folder / "dictionary" / "a.kdict", "--out", out / "a.zarr"],
            ["dictionary", "info", place],
        ]


TARGETS = (CallTarget("estimator", _estimator), CallTarget("command-line", _command_line))
