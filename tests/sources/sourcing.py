"""What tests of sources share: recordings at random, and plain ways to write and read them."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.depth import write_depth
from knuckle.errors import KnuckleError
from knuckle.sources.source import BadFrame, Frames, LiveFrame, Source
from knuckle.sources.writer import FrameWriter

CAMERA = Camera(fx=20.0, fy=21.0, cx=7.5, cy=5.5, width=16, height=12, depth_unit_mm=0.125)
OTHER = replace(CAMERA, fx=99.0)


def some_steps(count: int, seed: int = 0) -> NDArray[np.uint16]:
    """(count, 12, 16): depths of a hand at 500 mm, in CAMERA's steps; a fifth is not measured."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(3600, 4400, (count, 12, 16)).astype(np.uint16)
    return np.where(rng.random(steps.shape) < 0.2, 0, steps).astype(np.uint16)


def some_frames(count: int) -> list[LiveFrame]:
    """Frames of CAMERA, a quarter of a second apart from 10 s on."""
    return [
        LiveFrame(10 + index / 4, steps.astype(np.float32) * np.float32(0.125), CAMERA)
        for index, steps in enumerate(some_steps(count))
    ]


def write_folder(folder: Path, count: int = 3, camera: Camera = CAMERA) -> NDArray[np.float32]:
    """0.png, 1.png, ... and camera.json; returns the depths (count, 12, 16) mm."""
    folder.mkdir(parents=True, exist_ok=True)
    camera.save(folder / "camera.json")
    depths = some_steps(count).astype(np.float32) * np.float32(0.125)
    for index, depth in enumerate(depths):
        write_depth(folder / f"{index}.png", depth, 0.125)
    return depths


class Recorded(NamedTuple):
    """steps (N, H, W) uint16, or depths float32 mm; times (N,) s; camera."""

    steps: NDArray
    times: list[float]
    camera: Camera

    def frames(self) -> list[LiveFrame]:
        unit = self.camera.depth_unit_mm
        depths = self.steps if unit is None else self.steps.astype(np.float32) * np.float32(unit)
        return [LiveFrame(time, depth, self.camera) for time, depth in zip(self.times, depths, strict=True)]


@st.composite
def recordings(draw: st.DrawFn) -> Recorded:
    """Of up to three chunks, any size, unit and times; or of floats."""
    count, height, width = (draw(st.integers(1, most)) for most in (19, 5, 6))
    unit = draw(st.none() | st.floats(0.001, 1000) | st.sampled_from([0.1, 0.125, 1.0]))
    numbers = st.floats(0, 1e5, width=32) if unit is None else st.integers(0, 65535)
    steps = draw(hnp.arrays(np.float32 if unit is None else np.uint16, (count, height, width), elements=numbers))
    times = draw(st.lists(st.floats(-1e12, 1e12), min_size=count, max_size=count))
    focal, middle = draw(st.floats(0.1, 1e4)), draw(st.floats(-1e4, 1e4))
    return Recorded(steps, times, Camera(focal, focal / 3, middle, middle / 7, width, height, unit))


def fill(writer: FrameWriter, frames: list[LiveFrame]) -> None:
    for frame in frames:
        writer.add(frame)


def same(found: LiveFrame | BadFrame, wanted: LiveFrame) -> bool:
    """Whether a frame is another one to the last bit."""
    return (
        isinstance(found, LiveFrame)
        and found.timestamp == wanted.timestamp
        and found.camera == wanted.camera
        and found.depth.dtype == np.float32
        and np.array_equal(found.depth, wanted.depth)
    )


def good(items: list[LiveFrame | BadFrame]) -> list[int]:
    """Numbers of the items that are frames."""
    return [index for index, item in enumerate(items) if isinstance(item, LiveFrame)]


class ListSource(Source):
    """A source of given frames; an error in the list that is no BadFrame ends the stream."""

    is_live = True

    def __init__(self, items: list[LiveFrame | BadFrame | KnuckleError]) -> None:
        self.name, self._items, self.open = "a list", items, False

    def frames(self) -> Frames:
        self.open = True
        try:
            for item in self._items:
                if isinstance(item, KnuckleError):
                    raise item
                yield item
        finally:
            self.open = False
