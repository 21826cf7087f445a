"""knuckle data check: whatever is missing or damaged is named, with the remedy, before it costs hours."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from knuckle.anatomy import HAND21
from knuckle.data.check import SplitReport, check_dataset
from knuckle.errors import DatasetError, KnuckleError
from made_up import text, write_frames, write_gesture, write_hands17, write_icvl, write_msra15, write_nyu


def only(reports: list[SplitReport]) -> SplitReport:
    (report,) = reports
    return report


def test_a_whole_recording_has_no_fault(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", joints=HAND21)
    assert check_dataset("frames", tmp_path / "a") == [SplitReport("all", 3, None, (), (), (), 0, ())]


def test_all_splits_that_make_up_the_whole(tmp_path: Path) -> None:
    write_icvl(tmp_path / "icvl")
    reports = check_dataset("icvl", tmp_path / "icvl")
    assert [(report.split, report.frames, report.whole) for report in reports] == [
        ("train", 2, 331_006),
        ("test", 3, 1_596),
    ]
    assert reports[1].faults == ("labels for 3 frames, but ICVL has 1,596: download it again",)
    write_msra15(tmp_path / "msra15")
    assert [report.split for report in check_dataset("msra15", tmp_path / "msra15")] == ["all"]
    reports = check_dataset("msra15", tmp_path / "msra15", ["P3", "not-P3"])
    assert [(report.split, report.frames, report.faults) for report in reports] == [("P3", 2, ()), ("not-P3", 16, ())]


@pytest.mark.parametrize("quick", [False, True])
def test_missing_frames_are_named_in_runs(tmp_path: Path, quick: bool) -> None:
    write_nyu(tmp_path, "test", frames=12)
    for number in (2, 3, 4, 6, 8, 9, 12):
        (tmp_path / "test" / f"depth_1_{number:07d}.png").unlink()
    report = only(check_dataset("nyu", tmp_path, ["test"], quick))
    assert report.missing[:2] == ("test/depth_1_0000002.png", "test/depth_1_0000003.png")
    assert len(report.missing) == 7
    assert report.damaged == ()
    assert report.faults[1] == (
        "7 of 12 frames are missing (test/depth_1_0000002.png to test/depth_1_0000004.png, test/depth_1_0000006.png, "
        "test/depth_1_0000008.png to test/depth_1_0000009.png, ...): unpack the archive again, and compare its size"
    )


def test_damaged_frames_are_named_unless_in_a_hurry(tmp_path: Path) -> None:
    root = tmp_path / "Hände 1"
    write_frames(root, frames=140, joints=HAND21)  # more than one task
    torn = (root / "70.png").read_bytes()
    (root / "70.png").write_bytes(torn[: len(torn) // 2] + b"\0\0\0\0" + torn[len(torn) // 2 + 4 :])
    (root / "139.png").write_bytes(b"")
    cv2.imwrite(str(root / "2.png"), np.full((48, 65), 500, np.uint16))
    report = only(check_dataset("frames", root))
    named = [line.partition(": ")[0] for line in report.damaged]
    assert named == [str(root / f"{number}.png") for number in (2, 70, 139)]
    assert "65 x 48 px in a dataset of 64 x 48 px" in report.damaged[0]
    assert report.faults == (f"3 of 140 frames cannot be read: unpack those again ({report.damaged[0]} ...)",)
    assert report.missing == ()
    assert only(check_dataset("frames", root, quick=True)).faults == ()


def test_workers_find_the_same(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", frames=300)
    for number in (1, 150, 299):
        (tmp_path / "a" / f"{number}.png").write_bytes(b"junk")
    assert check_dataset("frames", tmp_path / "a", workers=2) == check_dataset("frames", tmp_path / "a")


def test_progress_is_told_by_split(tmp_path: Path) -> None:
    write_hands17(tmp_path, frames=1)
    told: list[tuple[str, int, int]] = []
    check_dataset("hands17", tmp_path, progress=lambda *step: told.append(step))
    assert told == [("train", 1, 1), ("test", 1, 1)]


def test_what_was_mended_is_read_anew(tmp_path: Path) -> None:
    write_gesture(tmp_path / "P3" / "1", frames=2)
    assert only(check_dataset("msra15", tmp_path, ["P3"])).frames == 2
    write_gesture(tmp_path / "P3" / "0", frames=1)
    (tmp_path / "P3" / "0" / "000000_depth.bin").write_bytes(b"junk")
    report = only(check_dataset("msra15", tmp_path, ["P3"]))
    assert (report.frames, len(report.damaged)) == (3, 1)


def test_images_without_a_label(tmp_path: Path) -> None:
    write_gesture(tmp_path / "P3" / "1", frames=2)
    extra = tmp_path / "P3" / "1" / "000002_depth.bin"
    extra.write_bytes((tmp_path / "P3" / "1" / "000000_depth.bin").read_bytes())
    report = only(check_dataset("msra15", tmp_path, ["P3"]))
    assert report.unlabelled == (str(extra),)
    assert report.faults == ("1 images have no label, 000002_depth.bin the first: they are left out",)


def test_labels_without_a_joint(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", frames=3, joints=HAND21)
    lines = (tmp_path / "a" / "joints.csv").read_text().splitlines()
    (tmp_path / "a" / "joints.csv").write_text("\n".join([lines[0], lines[2]]), encoding="ascii")
    report = only(check_dataset("frames", tmp_path / "a"))
    assert report.no_joints == 2
    assert report.faults == ("2 frames have a label without any joint: they are kept as frames without a hand",)


def test_joints_that_nobody_published_are_no_fault(tmp_path: Path) -> None:
    write_hands17(tmp_path, frames=2)
    report = only(check_dataset("hands17", tmp_path, ["test"]))
    assert report.no_joints == 2
    assert report.faults == ("labels for 2 frames, but HANDS17 has 295,510: download it again",)


def test_a_damaged_label_file_leaves_the_other_split(tmp_path: Path) -> None:
    write_icvl(tmp_path)
    file = tmp_path / "Training" / "labels.txt"
    file.write_text(f"a.png {text(np.ones(45))}", encoding="ascii")
    train, test = check_dataset("icvl", tmp_path)
    assert (train.frames, test.frames) == (0, 3)
    assert len(train.faults) == 1
    assert train.faults[0].startswith(f"{file}: line 1 has 45 numbers, not 48")


def test_a_list_may_name_files_anywhere(tmp_path: Path) -> None:
    write_icvl(tmp_path / "icvl")
    file = tmp_path / "icvl" / "Training" / "labels.txt"
    file.write_text(f"{tmp_path}/gone.png {text(np.ones(48))}", encoding="utf-8")
    report = only(check_dataset("icvl", tmp_path / "icvl", ["train"]))
    assert report.missing == (f"{tmp_path}/gone.png",)


def test_labels_lost_altogether(tmp_path: Path) -> None:
    write_nyu(tmp_path, "test")
    (tmp_path / "test" / "joint_data.mat").write_bytes(b"MATLAB 5.0 MAT-file" * 99)
    report = only(check_dataset("nyu", tmp_path, ["test"]))
    assert report.frames == 0
    assert report.faults[0].startswith(f"{tmp_path / 'test' / 'joint_data.mat'}: damaged MATLAB file")
    with pytest.raises(DatasetError, match=r"train.joint_data\.mat: missing: give the folder that holds train and"):
        check_dataset("nyu", tmp_path)


def test_a_dataset_one_folder_farther_down(tmp_path: Path) -> None:
    (tmp_path / "another folder").mkdir()
    write_nyu(tmp_path / "dataset", "test")
    with pytest.raises(DatasetError, match=r"joint_data\.mat: missing.*; it seems to lie in .*dataset$"):
        check_dataset("nyu", tmp_path)


@pytest.mark.parametrize(
    ("name", "folder", "splits", "said"),
    [
        ("kinect", ".", [], "there is no dataset 'kinect': choose nyu"),
        ("nyu", "nowhere", [], "nowhere: no such folder: give the one that holds train and test"),
        ("nyu", ".", ["validation"], "nyu has no split 'validation': choose train, test"),
        ("frames", "no-camera", [], r"camera\.json: missing"),
        ("frames", "bad-camera", [], r"camera\.json: not a JSON file"),
    ],
)
def test_what_cannot_be_checked(tmp_path: Path, name: str, folder: str, splits: list[str], said: str) -> None:
    (tmp_path / "no-camera").mkdir()
    (tmp_path / "bad-camera").mkdir()
    (tmp_path / "bad-camera" / "camera.json").write_text("{", encoding="ascii")
    with pytest.raises(KnuckleError, match=said):
        check_dataset(name, tmp_path / folder, splits)


def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path) -> None:
    write_icvl(tmp_path)
    labels = tmp_path / "Training" / "labels.txt"
    lines = labels.read_text(encoding="ascii").splitlines()
    lines[0] = " ".join(["x" * 300 + ".png", *lines[0].split()[1:]])
    labels.write_text("\n".join(lines), encoding="ascii")
    report = only(check_dataset("icvl", tmp_path, ["train"]))
    assert len(report.missing) == 1
