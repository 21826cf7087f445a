"""Centres of hands: the middle of the joints, and published files with axes of their own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.anatomy import HAND21
from knuckle.data.centers import annotated_centers, read_centers, write_centers
from knuckle.data.dataset import Dataset
from knuckle.data.datasets import open_dataset
from knuckle.errors import DatasetError
from made_up import write_frames, write_hands17, write_msra15, write_nyu

SPLITS = {"nyu": "test", "msra15": "all", "frames": "all"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    root = tmp_path_factory.mktemp("data")
    write_nyu(root / "nyu", "test", frames=5, images=False)
    write_msra15(root / "msra15")
    write_frames(root / "frames", joints=HAND21)
    return {name: open_dataset(name, root / name, split) for name, split in SPLITS.items()}


def centers_by_loops(labels: NDArray[np.float32]) -> NDArray[np.float64]:
    found = np.full((len(labels), 3), np.nan)
    for frame, joints in enumerate(labels.astype(float)):
        for axis in range(3):
            known = [joint[axis] for joint in joints if np.isfinite(joint[axis])]
            if known:
                found[frame, axis] = (min(known) + max(known)) / 2
    return found


@given(st.sampled_from(list(SPLITS)), st.integers(0, 2**32 - 1))
def test_the_middle_of_the_joints_equals_plain_loops(opened: dict[str, Dataset], name: str, seed: int) -> None:
    dataset, rng = opened[name], np.random.default_rng(seed)
    whole = dataset.labels
    dataset.labels = whole.copy()
    dataset.labels[rng.random(whole.shape[:2]) < rng.random()] = np.nan
    dataset.labels[0], dataset.labels[1, 1:] = whole[0], np.nan  # a frame with one joint at most
    found = annotated_centers(dataset)
    expected = centers_by_loops(dataset.labels)
    dataset.labels = whole
    np.testing.assert_allclose(found, expected)


def test_frames_without_joints_have_no_middle(tmp_path: Path) -> None:
    write_hands17(tmp_path, frames=1)
    with pytest.raises(
        DatasetError, match="no joints are known in test: search the hand, with  --split test --centers locate"
    ):
        annotated_centers(open_dataset("hands17", tmp_path, "test"))


@given(st.sampled_from(list(SPLITS)), st.integers(0, 2**32 - 1), st.sampled_from(["a.txt", "a.txt.gz"]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, opened: dict[str, Dataset], name: str, seed: int, file: str
) -> None:
    dataset, rng = opened[name], np.random.default_rng(seed)
    centers = annotated_centers(dataset) + rng.uniform(-10, 10, (len(dataset), 3))
    centers[rng.random(len(dataset)) < 0.3] = np.nan
    path = tmp_path_factory.mktemp("centers") / file
    write_centers(path, centers, dataset)
    np.testing.assert_allclose(read_centers(path, dataset), centers, atol=0.5001e-3)


@pytest.mark.parametrize(
    ("name", "turn", "sign"),  # of z: V2V-PoseNet's MSRA15 has it positive, the dataset itself negative
    [("nyu", -1, 1), ("msra15", -1, 1), ("msra15", -1, -1), ("frames", 1, 1)],
)
def test_axes_of_a_file_are_the_datasets(
    tmp_path: Path, opened: dict[str, Dataset], name: str, turn: int, sign: int
) -> None:
    dataset = opened[name]
    lines = [f"{x:.3f} {turn * y:.3f} {sign * z:.3f}" for x, y, z in annotated_centers(dataset).tolist()]
    lines[1] = "invalid"
    (tmp_path / "a.txt").write_text("\n".join([*lines, "", ""]), encoding="ascii")
    found = read_centers(tmp_path / "a.txt", dataset)
    assert np.isnan(found).all(axis=1).tolist() == [index == 1 for index in range(len(dataset))]
    keep = np.arange(len(dataset)) != 1
    np.testing.assert_allclose(found[keep], annotated_centers(dataset)[keep], atol=1e-3)


def test_invalid_may_come_first(tmp_path: Path, opened: dict[str, Dataset]) -> None:
    (tmp_path / "a.txt").write_text("Invalid \n" * 4 + "0 0 500\n", encoding="ascii")
    assert np.isnan(read_centers(tmp_path / "a.txt", opened["nyu"])).all(axis=1).tolist() == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["0 0 500"] * 4, "4 centres for 5 frames of test: is it of another split?"),
        (["0 0 500"] * 6, "6 centres for 5 frames of test"),
        (["0 0 500", "", *["0 0 500"] * 3], "line 2 is empty"),
        (["0 0 500"] * 4 + ["0 0"], "line 5 has 2 numbers, not 3"),
        (["0 0 0 500"] * 5, "line 1 has 4 numbers, not 3"),
        (["0 0 500"] * 4 + ["0 0 far"], "line 5: 'far' is not a number"),
        (["0 0 500"] * 4 + ["missing"], "line 5: 'missing' is not a number"),
        (["0 0 0.5"] * 5, "mm away from the annotated hands: is it in mm"),
        (["0 600 500"] * 5, "mm away from the annotated hands"),
        (["0 0 500"] * 4 + ["0 -1e300 500"], "a centre is farther away than 100000 mm or px"),
        ([], "holds no frame"),
    ],
)
def test_bad_files(tmp_path: Path, opened: dict[str, Dataset], lines: list[str], said: str) -> None:
    path = tmp_path / "my centres é.txt"
    path.write_text("\n".join(lines), encoding="ascii")
    with pytest.raises(DatasetError) as caught:
        read_centers(path, opened["nyu"])
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_few_centres_far_away_are_the_files_own_matter(tmp_path: Path, opened: dict[str, Dataset]) -> None:
    (tmp_path / "a.txt").write_text("0 0 500\n" * 3 + "0 0 5000\n" * 2, encoding="ascii")
    assert read_centers(tmp_path / "a.txt", opened["nyu"])[4].tolist() == [0, 0, 5000]


def test_centres_of_hands_that_nobody_annotated(tmp_path: Path) -> None:
    write_hands17(tmp_path, frames=2)
    (tmp_path / "a.txt").write_text("0 10 5000\n1 2 3\n", encoding="ascii")
    found = read_centers(tmp_path / "a.txt", open_dataset("hands17", tmp_path, "test"))
    assert found.tolist() == [[0, 10, 5000], [1, 2, 3]]


def test_a_file_with_the_other_y_axis_is_refused(tmp_path: Path) -> None:
    uvd = write_nyu(tmp_path, "test", frames=6)
    dataset = open_dataset("nyu", tmp_path, "test")
    centers = annotated_centers(dataset) + (0, 80, 0)  # off the camera's axis, where turning y shows
    dataset.labels = dataset.labels + np.array([0, 80, 0], dtype=np.float32)
    write_centers(tmp_path / "a.txt", centers * (1, -1, 1), dataset)
    assert len(uvd) == 6
    with pytest.raises(DatasetError, match=r"a\.txt: its centres lie \d+ mm .* with y turned 0 mm: give y as"):
        read_centers(tmp_path / "a.txt", dataset)
