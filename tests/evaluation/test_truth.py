"""Labels and predictions brought together: forms, orders, names, and every way in which they do not fit."""

from pathlib import Path

import numpy as np
import pytest
from labelled import places, uvd_file

from knuckle.anatomy import NYU14_FROM_HAND21
from knuckle.data.icvl import PROTOCOL as ICVL
from knuckle.data.joint_text import write_joint_text
from knuckle.data.nyu import EVALUATED, PROTOCOL
from knuckle.errors import DatasetError
from knuckle.evaluation.truth import Truth, read_predictions, read_truth
from made_up import write_frames, write_icvl, write_nyu

RNG = np.random.default_rng(5)
TRUE = places(6, RNG)


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    return read_truth("nyu", uvd_file(tmp_path / "labels.txt", TRUE))


def test_labels_are_read_as_millimetres(truth: Truth) -> None:
    np.testing.assert_allclose(truth.joints, TRUE, atol=0.01)
    assert truth.labelled.all()
    assert truth.subjects == ()  # of a part of the frames nobody knows the persons


def test_a_whole_test_set_has_its_persons(tmp_path: Path) -> None:
    joints = np.broadcast_to(TRUE[:1], (8252, 14, 3))
    truth = read_truth("nyu", uvd_file(tmp_path / "labels.txt", joints))
    assert [(person.name, person.start, person.stop) for person in truth.subjects] == [
        ("A", 0, 2440),
        ("B", 2440, 8252),
    ]


@pytest.mark.parametrize("form", ["uvd", "xyz", "own"])
def test_every_form_gives_the_same_joints(truth: Truth, tmp_path: Path, form: str) -> None:
    path = tmp_path / "found.txt"
    write_joint_text(path, PROTOCOL.from_mm(TRUE, form))  # type: ignore[arg-type]
    np.testing.assert_allclose(read_predictions(path, truth, form), TRUE, atol=0.01)  # type: ignore[arg-type]


def test_the_dataset_s_own_axes_have_y_up(truth: Truth, tmp_path: Path) -> None:
    path = tmp_path / "found.txt"
    write_joint_text(path, TRUE * (1, -1, 1))
    np.testing.assert_allclose(read_predictions(path, truth, "own"), TRUE, atol=0.01)


def test_all_36_joints_are_cut_to_the_14(truth: Truth, tmp_path: Path) -> None:
    everything = places(6, RNG, 36)
    everything[:, EVALUATED] = TRUE
    np.testing.assert_allclose(read_predictions(uvd_file(tmp_path / "f.txt", everything), truth), TRUE, atol=0.01)


def test_a_frame_without_a_usable_answer_is_nan_as_a_whole(truth: Truth, tmp_path: Path) -> None:
    numbers = PROTOCOL.from_mm(TRUE, "uvd")
    numbers[1, 3, 0] = np.nan
    numbers[2, 5, 2] = 0
    numbers[3, 5, 2] = -700
    numbers[4, 0, 1] = np.inf
    write_joint_text(tmp_path / "found.txt", numbers)
    found = read_predictions(tmp_path / "found.txt", truth)
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [False, True, True, True, True, False]
    assert np.isnan(found).any(axis=(1, 2)).tolist() == [False, True, True, True, True, False]


@pytest.mark.parametrize("form", ["uvd", "xyz", "own"])
@pytest.mark.parametrize("joint", [(1e200, 5, 600), (1e200, 5, 1e200), (np.inf, np.inf, 0), (0, 0, -np.inf)])
def test_what_lies_nowhere_is_no_answer_and_no_label(tmp_path: Path, form: str, joint: tuple[float, ...]) -> None:
    values = PROTOCOL.from_mm(TRUE, form).copy()  # type: ignore[arg-type]
    good = uvd_file(tmp_path / "good.txt", TRUE)
    values[3, 7] = joint
    write_joint_text(tmp_path / "bad.txt", values)
    only_third = [index == 3 for index in range(6)]
    found = read_predictions(tmp_path / "bad.txt", read_truth("nyu", good), form)  # type: ignore[arg-type]
    assert np.isnan(found).any(axis=(1, 2)).tolist() == only_third
    truth = read_truth("nyu", tmp_path / "bad.txt", form)  # type: ignore[arg-type]
    assert (~truth.labelled).tolist() == only_third


def test_a_file_without_any_usable_answer_is_named(truth: Truth, tmp_path: Path) -> None:
    for name, values in (("nan", TRUE * np.nan), ("behind", TRUE * (1, 1, -1))):
        write_joint_text(tmp_path / f"{name}.txt", values)
        with pytest.raises(DatasetError, match=rf"{name}\.txt: no frame that has a label in .*labels\.txt"):
            read_predictions(tmp_path / f"{name}.txt", truth, "xyz")


def test_a_label_that_is_not_whole_is_no_label(tmp_path: Path) -> None:
    numbers = PROTOCOL.from_mm(TRUE, "uvd")
    numbers[0, 2, 2] = 0
    numbers[5, 2, 1] = np.nan
    write_joint_text(tmp_path / "labels.txt", numbers)
    assert read_truth("nyu", tmp_path / "labels.txt").labelled.tolist() == [False, *[True] * 4, False]
    write_joint_text(tmp_path / "labels.txt", np.full((2, 14, 3), np.nan))
    with pytest.raises(DatasetError, match=r"labels\.txt: no frame has all of its joints"):
        read_truth("nyu", tmp_path / "labels.txt")


@pytest.mark.parametrize("count", [5, 7])
def test_another_number_of_lines_is_refused_with_both_numbers(truth: Truth, tmp_path: Path, count: int) -> None:
    path = uvd_file(tmp_path / "found.txt", places(count, RNG))
    with pytest.raises(DatasetError, match=rf"found\.txt: {count} lines for the 6 frames of .*labels\.txt"):
        read_predictions(path, truth)


def test_another_number_of_joints_is_refused(truth: Truth, tmp_path: Path) -> None:
    path = uvd_file(tmp_path / "found.txt", places(6, RNG, 21))
    with pytest.raises(DatasetError, match=r"found\.txt: line 1 has 63 numbers, not 42 or 108"):
        read_predictions(path, truth)


def test_lines_with_names_belong_to_the_label_of_that_name(tmp_path: Path) -> None:
    joints, names = places(4, RNG, 16), [f"seq/{index}.png" for index in range(4)]
    numbers = ICVL.from_mm(joints, "uvd")
    write_joint_text(tmp_path / "labels.txt", numbers, names)
    truth = read_truth("icvl", tmp_path / "labels.txt")
    write_joint_text(tmp_path / "found.txt", numbers[[2, 0, 3]], [names[2], names[0], names[3]])
    found = read_predictions(tmp_path / "found.txt", truth)
    np.testing.assert_allclose(found[[0, 2, 3]], joints[[0, 2, 3]], atol=0.01)
    assert np.isnan(found[1]).all()
    for wrong, says in ((["other.png"], "is no image of the labels"), ([names[0]] * 2, "stands there twice")):
        write_joint_text(tmp_path / "found.txt", numbers[: len(wrong)], wrong)
        with pytest.raises(DatasetError, match=says):
            read_predictions(tmp_path / "found.txt", truth)


def test_an_image_that_two_labels_have_is_refused(tmp_path: Path) -> None:
    numbers = ICVL.from_mm(places(3, RNG, 16), "uvd")
    write_joint_text(tmp_path / "labels.txt", numbers, ["a.png", "b.png", "a.png"])
    write_joint_text(tmp_path / "found.txt", numbers[:2], ["a.png", "b.png"])
    with pytest.raises(DatasetError, match=r"labels\.txt: 'a\.png' stands there twice"):
        read_predictions(tmp_path / "found.txt", read_truth("icvl", tmp_path / "labels.txt"))


def test_names_are_matched_with_the_images_of_a_folder(tmp_path: Path) -> None:
    _, *tests = write_icvl(tmp_path / "icvl")  # 2 + 1 frames
    numbers = np.concatenate(tests)
    names = ["test_seq_1/image_0000.png", "test_seq_1/image_0001.png", "test_seq_2/image_0000.png"]
    truth = read_truth("icvl", tmp_path / "icvl")
    assert truth.names == tuple(names)
    write_joint_text(tmp_path / "found.txt", numbers[::-1], names[::-1])
    np.testing.assert_allclose(read_predictions(tmp_path / "found.txt", truth), truth.joints, atol=0.01)
    write_joint_text(tmp_path / "found.txt", numbers)  # without names in the labels' order
    np.testing.assert_allclose(read_predictions(tmp_path / "found.txt", truth), truth.joints, atol=0.01)


def test_names_of_a_recording_are_its_files(tmp_path: Path) -> None:
    numbers = write_frames(tmp_path / "own", frames=2, joints=("wrist", "thumb_tip"))
    truth = read_truth("frames", tmp_path / "own")
    write_joint_text(tmp_path / "found.txt", numbers[1:], ["1.png"])
    found = read_predictions(tmp_path / "found.txt", truth, "uvd")
    np.testing.assert_allclose(found[1], truth.joints[1], atol=0.01)
    assert np.isnan(found[0]).all()


def test_the_joints_that_a_run_leaves_are_taken_as_they_are(truth: Truth, tmp_path: Path) -> None:
    hands = places(6, RNG, 21).astype(np.float32)
    hands[2] = np.nan
    np.save(tmp_path / "test.npy", hands)
    found = read_predictions(tmp_path / "test.npy", truth)
    for frame in (0, 1, 3, 4, 5):
        np.testing.assert_allclose(found[frame], NYU14_FROM_HAND21 @ hands[frame].astype(float), atol=1e-3)
    assert np.isnan(found[2]).all()


def test_what_is_no_run_s_joints_is_refused(truth: Truth, tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.zeros((5, 21, 3)))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    (tmp_path / "junk.npy").write_bytes(b"\x93NUMPY\x01\x00junk")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "zip.npy").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "several.npz", np.zeros((6, 21, 3)))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    whole = (tmp_path / "few.npy").read_bytes()
    (tmp_path / "huge.npy").write_bytes(whole.replace(b"(5, 21, 3), }         ", b"(5000000000, 21, 3), }"))
    (tmp_path / "torn.npy").write_bytes(whole.replace(b"21, 3), }", b"21, 3(, }"))
    np.save(tmp_path / "whole.npy", np.zeros((6, 21, 3), dtype=int))
    for name in ("few", "objects", "junk", "empty", "none", "zip", "several", "huge", "torn", "whole"):
        with pytest.raises(DatasetError, match=rf"{name}\.npy"):
            read_predictions(tmp_path / f"{name}.npy", truth)


def test_labels_from_the_dataset_s_folder(tmp_path: Path) -> None:
    write_nyu(tmp_path / "nyu", "test")
    truth = read_truth("nyu", tmp_path / "nyu")
    assert (len(truth), truth.camera) == (2, PROTOCOL.camera)
    assert [person.name for person in truth.subjects] == ["A"]
    write_frames(tmp_path / "own")
    with pytest.raises(DatasetError, match="has no split 'test'"):
        read_truth("frames", tmp_path / "own", split="test")
