"""What all datasets share: frames, persons, cubes, and messages that name the file."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knuckle.anatomy import HAND21
from knuckle.data.datasets import DATASETS, open_dataset, usual_splits
from knuckle.data.frames import Frames
from knuckle.data.msra15 import Msra15
from knuckle.errors import DatasetError, DepthError
from made_up import write_frames, write_hands17, write_icvl, write_msra15, write_nyu

ODD = "my datasets/Händë №1 手"
"""A folder's name with spaces and what is not ASCII."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for each dataset."""
    root = tmp_path_factory.mktemp("data") / ODD
    for split in ("train", "test"):
        write_nyu(root / "nyu", split)
    write_icvl(root / "icvl")
    write_msra15(root / "msra15")
    write_hands17(root / "hands17")
    write_frames(root / "frames", joints=HAND21)
    return root


@pytest.mark.parametrize(("name", "split"), [(name, split) for name in DATASETS for split in usual_splits(name)])
def test_every_dataset_has_the_one_form(unpacked: Path, name: str, split: str) -> None:
    dataset = open_dataset(name, unpacked / name, split)
    count, joints = len(dataset), len(dataset.protocol.joints)
    assert (dataset.labels.shape, dataset.labels.dtype) == ((count, joints, 3), np.float32)
    assert (dataset.hand21.shape, dataset.hand21.dtype) == ((count, 21, 3), np.float32)
    assert (dataset.joints14.shape, dataset.joints14.dtype) == ((count, 14, 3), np.float32)
    assert [dataset.path(index) for index in range(count)] == list(dataset.images())
    for index in range(count):
        frame = dataset.frame(index)
        assert frame.path.is_file()
        assert (frame.depth.shape, frame.depth.dtype) == ((frame.camera.height, frame.camera.width), np.float32)
        assert (frame.split, frame.subject) == (split, dataset.subject(index))
        np.testing.assert_array_equal(frame.joints, dataset.labels[index])
        np.testing.assert_array_equal(frame.hand21, dataset.hand21[index])


@pytest.mark.parametrize(("name", "split"), [(name, split) for name in DATASETS for split in usual_splits(name)])
def test_every_joint_lies_on_the_surface_that_shows_it(unpacked: Path, name: str, split: str) -> None:
    dataset = open_dataset(name, unpacked / name, split)
    if np.isnan(dataset.labels).all():
        assert (name, split) == ("hands17", "test")  # which is not published
        return
    for index in range(len(dataset)):
        u, v = np.floor(dataset.camera.project(dataset.labels[index])).astype(int).T
        seen = dataset.depth(index)[v, u]  # a nearer joint may lie before it
        assert (seen <= dataset.labels[index, :, 2] + 1e-3).all()
        assert (np.abs(seen - dataset.labels[index, :, 2]) < 1e-3).mean() > 0.3


@pytest.mark.parametrize("name", ["msra15", "hands17", "frames"])
def test_the_14_joints_are_made_of_the_21(unpacked: Path, name: str) -> None:
    dataset = open_dataset(name, unpacked / name, usual_splits(name)[0])
    hands = dataset.hand21.astype(float)
    pinky_tip, wrist_ulnar = dataset.joints14[:, 0], dataset.joints14[:, 11]
    np.testing.assert_array_equal(pinky_tip, dataset.hand21[:, HAND21.index("pinky_tip")])
    np.testing.assert_allclose(wrist_ulnar, hands[:, 0] + 0.3 * (hands[:, 17] - hands[:, 5]), rtol=1e-5, atol=1e-3)


@given(st.integers(0, 17), st.integers(0, 2**32 - 1), st.none() | st.floats(100, 400))
def test_joints_return_through_the_crop_of_a_frame(
    unpacked: Path, index: int, seed: int, cube_mm: float | None
) -> None:
    dataset = open_dataset("msra15", unpacked / "msra15", "all")
    rng = np.random.default_rng(seed)
    center = rng.uniform([-200, -200, 300], [200, 200, 1000])
    box = dataset.crop_box(index, center, cube_mm)
    assert box.cube_mm == (cube_mm or dataset.protocol.cube_of(f"P{index // 2}"))
    np.testing.assert_array_equal(box.center, center)
    joints = dataset.labels[index].astype(float)
    np.testing.assert_allclose(box.from_crop(box.to_crop(joints)), joints, rtol=1e-9)
    shifts = rng.uniform(-1, 1, (21, 3))
    np.testing.assert_allclose(box.to_crop(box.from_crop(shifts)), shifts, rtol=1e-6, atol=1e-9)


def test_persons_of_frames(unpacked: Path) -> None:
    dataset = Msra15(unpacked / "msra15", "not-P3")
    others = [f"P{person}" for person in (0, 1, 2, 4, 5, 6, 7, 8) for _ in range(2)]
    assert [dataset.subject(index) for index in range(16)] == others
    assert (dataset.subject(16), dataset.subject(10_000)) == ("", "")


def test_an_unknown_split_is_refused_with_the_known_ones(unpacked: Path) -> None:
    for name in DATASETS:
        with pytest.raises(DatasetError, match=f"{name} has no split 'validation': choose .*{usual_splits(name)[0]}"):
            open_dataset(name, unpacked / name, "validation")


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_that_is_not_there_or_empty(tmp_path: Path, name: str) -> None:
    split = usual_splits(name)[0]
    for folder, said in ((tmp_path / "nowhere", "no such folder: give"), (tmp_path, "give the folder")):
        with pytest.raises(DatasetError, match=said) as caught:
            open_dataset(name, folder, split)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / ODD)
    cv2.imwrite(str(tmp_path / "0.png"), np.full((48, 63), 500, np.uint16))
    (tmp_path / "0.png").replace(tmp_path / ODD / "0.png")
    dataset = Frames(tmp_path / ODD)
    with pytest.raises(DepthError, match=r"0\.png: an image of 63 x 48 px in a dataset of 64 x 48 px") as caught:
        dataset.frame(0)
    assert str(tmp_path / ODD) in str(caught.value)
    assert dataset.depth(1).shape == (48, 64)
