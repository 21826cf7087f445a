"""Real frames into a store: the same as frame by frame, whoever writes it, and however often it is killed."""

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import knuckle
from knuckle.anatomy import HAND21
from knuckle.camera import Camera
from knuckle.data.centers import annotated_centers, write_centers
from knuckle.data.dataset import Dataset
from knuckle.data.datasets import open_dataset
from knuckle.data.frames import write_joints
from knuckle.data.sample import ARRAYS, depth_from_steps, depth_to_steps
from knuckle.data.store import SampleStore
from knuckle.errors import DatasetError, DepthError, SettingsError, StoreError
from knuckle.estimator import HandPoseEstimator
from knuckle.pipeline.importing import ImportSettings, import_split
from made_up import write_frames, write_msra15, write_nyu

SHIPPED_FRAMES = Path(knuckle.__file__).parent / "frames"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_rows(store: SampleStore, dataset: Dataset, centers: np.ndarray, cube_mm: float | None = None) -> None:
    """Every row is what its frame gives by itself; one without a frame or a centre is empty."""
    rows = {name: store.read(name) for name in ARRAYS}
    assert len(store) == len(dataset)
    for index in range(len(dataset)):
        row = {name: values[index] for name, values in rows.items()}
        camera = dataset.camera
        np.testing.assert_allclose(
            row["camera"], [camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]
        )
        cube = cube_mm or dataset.protocol.cube_of(dataset.subject(index))
        assert row["cube_mm"] == cube
        assert (row["parts"] == 0).all()
        assert row["seed"].tolist() == [-1, index]
        frame = None
        try:
            frame = dataset.frame(index)
        except DepthError:
            assert not dataset.path(index).is_file() or dataset.path(index).stat().st_size < 100
        if frame is None or np.isnan(centers[index]).any():
            assert (row["depth"] == 1).all()
            assert all(np.isnan(row[name]).all() for name in ("joints", "joints14", "center"))
            continue
        crop = dataset.crop_box(index, centers[index], cube).crop_depth(frame.depth)
        assert (crop < 1).any()  # the hand is in it
        np.testing.assert_array_equal(row["depth"], depth_from_steps(depth_to_steps(crop)))
        np.testing.assert_array_equal(row["joints"], frame.hand21)
        np.testing.assert_array_equal(row["joints14"], dataset.joints14[index])
        np.testing.assert_array_equal(row["center"], centers[index].astype(np.float32))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """21 frames with joints."""
    root = tmp_path_factory.mktemp("data") / "Aufnahme 1 ü"
    write_frames(root, frames=21, joints=HAND21)
    return root


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, recording: Path) -> Path:
    """Its store, by one worker."""
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    assert import_split("frames", recording, "all", path, workers=1, shard=4) == []
    return path


def test_rows_equal_frames_by_themselves(recording: Path, alone: Path) -> None:
    dataset = open_dataset("frames", recording, "all")
    store = SampleStore.open(alone)
    assert_rows(store, dataset, annotated_centers(dataset))
    assert not store.read("side").any()
    assert not store.attributes["parts_known"]


def test_persons_have_their_own_cubes(tmp_path: Path) -> None:
    write_msra15(tmp_path / "msra15")
    assert import_split("msra15", tmp_path / "msra15", "not-P1", tmp_path / "a.zarr", workers=1) == []
    dataset = open_dataset("msra15", tmp_path / "msra15", "not-P1")
    store = SampleStore.open(tmp_path / "a.zarr")
    assert_rows(store, dataset, annotated_centers(dataset))
    assert set(store.read("cube_mm")) == {200, 180, 170, 160, 150}
    assert store.attributes["subjects"][1] == ["P2", 2, 4]


def test_nyus_own_fourteen_joints_are_kept(tmp_path: Path) -> None:
    write_nyu(tmp_path / "nyu", "test", frames=2)
    assert import_split("nyu", tmp_path / "nyu", "test", tmp_path / "nyu.zarr/test", workers=1) == []
    dataset = open_dataset("nyu", tmp_path / "nyu", "test")
    store = SampleStore.open(tmp_path / "nyu.zarr/test")
    assert_rows(store, dataset, annotated_centers(dataset))
    np.testing.assert_array_equal(store.read("joints14"), dataset.labels)


def test_one_cube_and_side_for_all(tmp_path: Path, recording: Path) -> None:
    settings = ImportSettings(cube_mm=180, side="left")
    import_split("frames", recording, "all", tmp_path / "a.zarr", settings, workers=1)
    dataset = open_dataset("frames", recording, "all")
    store = SampleStore.open(tmp_path / "a.zarr")
    assert_rows(store, dataset, annotated_centers(dataset), 180)
    assert (store.read("side") == 1).all()


@pytest.mark.parametrize(("workers", "shard"), [(2, 4), (1, 7)])
def test_the_same_whoever_writes_it(tmp_path: Path, recording: Path, alone: Path, workers: int, shard: int) -> None:
    import_split("frames", recording, "all", tmp_path / "a.zarr", workers=workers, shard=shard)
    if shard == 4:
        assert files(tmp_path / "a.zarr") == files(alone)
    found, expected = SampleStore.open(tmp_path / "a.zarr"), SampleStore.open(alone)
    for name in ARRAYS:
        np.testing.assert_array_equal(found.read(name), expected.read(name))


def test_progress_counts_what_was_there(recording: Path, alone: Path, tmp_path: Path) -> None:
    done: list[int] = []
    import_split("frames", recording, "all", tmp_path / "a.zarr", workers=1, progress=done.append, shard=4)
    import_split("frames", recording, "all", alone, workers=1, progress=done.append, shard=4)
    assert done == [0, 4, 4, 4, 4, 4, 1, 21]


def test_centres_of_a_file(tmp_path: Path, recording: Path) -> None:
    dataset = open_dataset("frames", recording, "all")
    centers = np.rint(annotated_centers(dataset)) + [5, -10, 20]
    centers[3] = np.nan
    write_centers(tmp_path / "centers 1.txt", centers, dataset)
    settings = ImportSettings(centers=str(tmp_path / "centers 1.txt"))
    lines = import_split("frames", recording, "all", tmp_path / "a.zarr", settings, workers=1, shard=8)
    assert lines == [f"{recording / '3.png'}: no centre of a hand from {tmp_path / 'centers 1.txt'}"]
    store = SampleStore.open(tmp_path / "a.zarr")
    assert_rows(store, dataset, centers)
    assert store.attributes["centers"] == "centers 1.txt"


def test_centres_where_the_estimator_finds_the_hand(tmp_path: Path) -> None:
    root = tmp_path / "found"
    root.mkdir()
    shutil.copy(SHIPPED_FRAMES / "camera.json", root)
    shutil.copy(SHIPPED_FRAMES / "1-open.png", root)
    cv2.imwrite(str(root / "2-wall.png"), np.full((480, 640), 1500, np.uint16))
    lines = import_split("frames", root, "all", tmp_path / "a.zarr", ImportSettings("locate"), workers=1)
    assert lines == [f"{root / '2-wall.png'}: no centre of a hand from locate"]
    dataset = open_dataset("frames", root, "all")
    hand = HandPoseEstimator(threads=1)(dataset.depth(0), Camera.load(root / "camera.json"), side="right")
    assert hand is not None
    centers = np.stack([hand.center.astype(float), [np.nan] * 3])
    assert_rows(SampleStore.open(tmp_path / "a.zarr"), dataset, centers)


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    """100 frames, one of them missing, two damaged, one without joints."""
    root = tmp_path / "torn"
    write_frames(root, frames=100, joints=HAND21)
    (root / "99.png").unlink()
    (root / "99.bin").symlink_to(root / "nowhere")
    (root / "41.png").write_bytes((root / "41.png").read_bytes()[:60])
    (root / "42.png").write_bytes(b"junk")
    lines = (root / "joints.csv").read_text().replace("\n99.png", "\n99.bin").splitlines()
    (root / "joints.csv").write_text("\n".join(line for line in lines if not line.startswith("7.png")))
    return root


def test_frames_that_cannot_be_used_keep_their_rows(tmp_path: Path, torn: Path) -> None:
    lines = import_split("frames", torn, "all", tmp_path / "a.zarr", workers=1, shard=32)
    assert [line.partition(": ")[0] for line in lines] == [
        str(torn / name) for name in ("7.png", "41.png", "42.png", "99.bin")
    ]
    assert [line.partition(": ")[2].partition(" (")[0] for line in lines] == [
        "no centre of a hand from annotation",
        "damaged file, the file is truncated: copy or record it again",
        "not a depth image; depth images are 16-bit grey PNG, NYU's packed RGB PNG, MSRA15's .bin or .npy",
        "cannot read the depth image",
    ]
    dataset = open_dataset("frames", torn, "all")
    assert_rows(SampleStore.open(tmp_path / "a.zarr"), dataset, annotated_centers(dataset))
    again = import_split("frames", torn, "all", tmp_path / "a.zarr", workers=1, shard=32)
    assert again == lines  # told every time, whoever wrote them


def test_an_import_without_its_frames_does_not_begin(tmp_path: Path) -> None:
    write_nyu(tmp_path / "nyu", "train", frames=101, images=False)
    for number in range(1, 102):
        if number not in (40, 41):
            (tmp_path / "nyu" / "train" / f"depth_1_{number:07d}.png").touch()
    with pytest.raises(
        DatasetError,
        match=r"depth_1_0000040\.png: missing, with 1 others of 101 frames: unpack .* knuckle data check --dataset nyu",
    ):
        import_split("nyu", tmp_path / "nyu", "train", tmp_path / "a.zarr", workers=1)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        (ImportSettings(cube_mm=50), SettingsError, "cube_mm must be 100 to 500 mm, got 50"),
        (ImportSettings(cube_mm=float("nan")), SettingsError, "cube_mm must be 100 to 500 mm"),
        (ImportSettings(side="both"), SettingsError, "side must be one of right, left, got 'both'"),
        (ImportSettings(centers="nowhere.txt"), DatasetError, r"nowhere\.txt: cannot read"),
    ],
)
def test_settings_that_are_none(
    tmp_path: Path, recording: Path, settings: ImportSettings, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        import_split("frames", recording, "all", tmp_path / "a.zarr", settings, workers=1)
    assert not (tmp_path / "a.zarr").exists()


def test_labels_that_are_damaged_or_unknown(tmp_path: Path) -> None:
    write_frames(tmp_path / "a")
    with pytest.raises(DatasetError, match="no joints are known in all: search the hand"):
        import_split("frames", tmp_path / "a", "all", tmp_path / "a.zarr", workers=1)
    (tmp_path / "a" / "joints.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match=r"joints\.csv: not a text file"):
        import_split("frames", tmp_path / "a", "all", tmp_path / "a.zarr", workers=1)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("changed", ["labels", "centers_sha256", "cube_mm", "side"])
def test_another_order_is_refused_by_the_same_store(tmp_path: Path, recording: Path, changed: str) -> None:
    root, centers = tmp_path / "a", tmp_path / "centers.txt"
    shutil.copytree(recording, root)
    dataset = open_dataset("frames", root, "all")
    write_centers(centers, annotated_centers(dataset), dataset)
    settings = ImportSettings(centers=str(centers))
    import_split("frames", root, "all", tmp_path / "a.zarr", settings, workers=1)
    before = files(tmp_path / "a.zarr")
    if changed == "labels":
        write_joints(root, [f"{index}.png" for index in range(21)], dataset.labels + np.float32(0.5))
    elif changed == "centers_sha256":
        write_centers(centers, annotated_centers(dataset) + 1, dataset)
    else:
        settings = replace(settings, **{"cube_mm": 251} if changed == "cube_mm" else {"side": "left"})
    with pytest.raises(StoreError, match=rf"a\.zarr: holds other samples \({changed}"):
        import_split("frames", root, "all", tmp_path / "a.zarr", settings, workers=1)
    assert files(tmp_path / "a.zarr") == before


def test_labels_that_changed_are_read_anew(tmp_path: Path, recording: Path) -> None:
    shutil.copytree(recording, tmp_path / "a")
    import_split("frames", tmp_path / "a", "all", tmp_path / "before.zarr", workers=1)
    lines = (tmp_path / "a" / "joints.csv").read_text().splitlines()
    (tmp_path / "a" / "joints.csv").write_text("\n".join([*lines[:5], *lines[6:]]))
    assert len(import_split("frames", tmp_path / "a", "all", tmp_path / "after.zarr", workers=1)) == 1
    dataset = open_dataset("frames", tmp_path / "a", "all")
    assert_rows(SampleStore.open(tmp_path / "after.zarr"), dataset, annotated_centers(dataset))


PROGRAM = """
import sys, time
from knuckle.pipeline.importing import import_split

def told(done):
    print(done, flush=True)
    shards.append(done)
    if len(shards) > int(sys.argv[3]):
        time.sleep(600)

shards = []
if __name__ == "__main__":
    import_split("frames", sys.argv[1], "all", sys.argv[2], workers=1, progress=told, shard=4)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_imports_go_on_to_the_same_bytes(tmp_path: Path, recording: Path, alone: Path) -> None:
    program, store = tmp_path / "run.py", tmp_path / "a.zarr"
    program.write_text(PROGRAM, encoding="utf-8")
    for shards, left in ((1, [1, 2, 3, 4, 5]), (2, [3, 4, 5])):
        command = [sys.executable, str(program), str(recording), str(store), str(shards)]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        told = [run.stdout.readline() for _ in range(shards + 1)]
        assert all(told)
        run.kill()
        run.communicate(timeout=30)
        assert run.returncode == -signal.SIGKILL
        assert SampleStore.open(store).missing_shards() == left
    done: list[int] = []
    assert import_split("frames", recording, "all", store, workers=1, progress=done.append, shard=4) == []
    assert done == [12, 4, 4, 1]
    assert files(store) == files(alone)
