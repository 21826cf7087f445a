"""The synthetic hand: the same for a seed, in steps of its sensor, with joints where its hand is."""

import time
from itertools import islice

import numpy as np
import pytest
from sourcing import good

from knuckle.camera import Camera
from knuckle.sources.source import LiveFrame
from knuckle.sources.synthetic import CAMERA, SyntheticSource

SMALL = Camera(fx=120.0, fy=120.0, cx=79.5, cy=59.5, width=160, height=120, depth_unit_mm=0.125)


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource(3, SMALL, paced=False)


def test_frame_i_depends_on_the_seed_and_i_alone(source: SyntheticSource) -> None:
    items = list(islice(source.frames(), 4))
    assert good(items) == [0, 1, 2, 3]
    for index in (3, 1):
        again, joints = SyntheticSource(3, SMALL).frame(index)
        other, moved = SyntheticSource(4, SMALL).frame(index)
        item = items[index]
        assert isinstance(item, LiveFrame)
        np.testing.assert_array_equal(again.depth, item.depth)
        assert item.timestamp == again.timestamp == pytest.approx(index / 30)
        assert not np.array_equal(other.depth, item.depth)
        assert joints.shape == moved.shape == (21, 3)
    assert (source.name, source.is_live) == ("synthetic", True)


def test_the_joints_are_in_the_hand(source: SyntheticSource) -> None:
    """Joints lie behind the surface, by no more than a finger or a palm is thick, where nothing is before them."""
    near = []
    for index in range(0, 300, 23):
        frame, joints = source.frame(index)
        columns, rows = np.rint(SMALL.project(joints)).astype(int).T
        assert columns.min() >= 0
        assert rows.min() >= 0
        assert columns.max() < 160
        assert rows.max() < 120
        behind = joints[:, 2] - frame.depth[rows, columns]
        near.extend((behind[frame.depth[rows, columns] > 0] > -5) & (behind[frame.depth[rows, columns] > 0] < 60))
    assert np.mean(near) > 0.8  # the rest are hidden behind other fingers, or lie beside a thin one


def test_the_hand_moves_without_jumps_and_goes_through_gestures(source: SyntheticSource) -> None:
    places = np.stack([source.frame(index)[1] for index in range(150)])  # 5 s
    steps = np.linalg.norm(np.diff(places, axis=0), axis=-1)  # mm a frame
    assert steps.max() < 25
    lengths = np.linalg.norm(places[:, [8, 12, 16]] - places[:, :1], axis=-1)  # wrist to fingertips
    assert np.ptp(lengths, axis=0).max() > 60


def test_depth_is_in_whole_steps(source: SyntheticSource) -> None:
    depth = source.frame(5)[0].depth
    assert depth.dtype == np.float32
    assert depth.any()
    np.testing.assert_array_equal(depth * 8, np.rint(depth * 8))
    assert CAMERA.depth_unit_mm == SMALL.depth_unit_mm == 0.125


def test_a_paced_stream_is_no_faster_than_a_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    source = SyntheticSource(3, SMALL)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0 + sum(slept))
    list(islice(source.frames(), 7))
    assert sum(slept) == pytest.approx(6 / 30)
