"""Readers of datasets' labels, of joints as text, centres and predictions."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from fuzz_target import FileTarget
from knuckle.anatomy import HAND21
from knuckle.data.centers import read_centers, write_centers
from knuckle.data.datasets import open_dataset, protocol_named
from knuckle.data.icvl import JOINTS as ICVL_JOINTS
from knuckle.data.joint_text import read_joint_text, write_joint_text
from knuckle.data.protocol import Protocol
from knuckle.evaluation.score import score
from knuckle.evaluation.truth import Truth, read_predictions, read_truth

FRAMES = 4


def hands(seed: int = 0) -> NDArray[np.float64]:
    """(FRAMES, 21, 3) mm: joints at half a metre."""
    return np.random.default_rng(seed).uniform(-80, 80, (FRAMES, len(HAND21), 3)) + [0, 0, 500]


def _labels(name: str) -> tuple[Protocol, NDArray[np.float64]]:
    """A protocol and labels as its text files have them."""
    protocol = protocol_named(name)
    return protocol, protocol.from_mm(np.einsum("jk,nkc->njc", protocol.from_hand, hands()), protocol.form)


def _nyu_uvd() -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform(200, 600, (3, FRAMES, 36, 3))


def _nyu(root: Path) -> None:
    (root / "test").mkdir()
    scipy.io.savemat(root / "test" / "joint_data.mat", {"joint_uvd": _nyu_uvd(), "joint_xyz": _nyu_uvd()})


def _nyu_packed(root: Path) -> None:
    (root / "test").mkdir()
    scipy.io.savemat(root / "test" / "joint_data.mat", {"joint_uvd": _nyu_uvd()}, do_compression=True)


def _nyu_hdf5(root: Path) -> None:
    (root / "test").mkdir()
    path = root / "test" / "joint_data.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("joint_uvd", data=_nyu_uvd().T, chunks=True, compression="gzip")
    with path.open("r+b") as head:
        head.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def _icvl(root: Path) -> None:
    (root / "Training").mkdir()
    values, names = _labels("icvl")[1], [f"a/{index}.png" for index in range(FRAMES)]
    assert values.shape[1] == len(ICVL_JOINTS)
    write_joint_text(root / "Training" / "labels.txt", values, names)


def _msra15(root: Path) -> None:
    for gesture in ("1", "TIP"):
        folder = root / "P0" / gesture
        folder.mkdir(parents=True)
        write_joint_text(folder / "joint.txt", hands() * [1, -1, -1])
        text = (folder / "joint.txt").read_text(encoding="utf-8")
        (folder / "joint.txt").write_text(f"{FRAMES}\n{text}", encoding="utf-8")


def _hands17(root: Path) -> None:
    for name in ("training", "frame"):
        (root / name).mkdir()
    names = [f"image_D{index:08d}.png" for index in range(FRAMES)]
    write_joint_text(root / "training" / "Training_Annotation.txt", _labels("hands17")[1], names)
    boxes = "".join(f"{name}\t10 20 100 120\n" for name in names)
    (root / "frame" / "BoundingBox.txt").write_text(boxes, encoding="utf-8")


def _text(folder: Path) -> None:
    write_joint_text(folder / "a.txt", hands())


def _packed_text(folder: Path) -> None:
    write_joint_text(folder / "a.txt.gz", hands(), [f"image_{index}.png" for index in range(FRAMES)])


def _truth(folder: Path) -> None:
    """Labels by name, predictions without names, and as HAND21 in a .npy."""
    values = _labels("icvl")[1]
    write_joint_text(folder / "truth.txt", values, [f"a/{index}.png" for index in range(FRAMES)])
    write_joint_text(folder / "predictions.txt", values + 1)
    np.save(folder / "predictions.npy", hands(1))


@cache
def _known_truth() -> Truth:
    protocol = protocol_named("icvl")
    joints = np.einsum("jk,nkc->njc", protocol.from_hand, hands())
    return Truth(Path("truth"), protocol, joints, (), tuple(f"a/{index}.png" for index in range(FRAMES)))


def _read_evaluation(folder: Path) -> None:
    truth = read_truth("icvl", folder / "truth.txt")
    score(read_predictions(folder / "predictions.txt", truth), truth)


def _read_npy(folder: Path) -> None:
    score(read_predictions(folder / "predictions.npy", _known_truth()), _known_truth())


def _centres(folder: Path) -> None:
    (folder / "P0" / "1").mkdir(parents=True)
    _msra15(folder / "data")
    write_centers(
        folder / "centers.txt", hands().mean(axis=1).repeat(2, axis=0), open_dataset("msra15", folder / "data", "P0")
    )


def _read_centres(folder: Path) -> None:
    read_centers(folder / "centers.txt", open_dataset("msra15", folder / "data", "P0"))


def _dataset(name: str, splits: Sequence[str]) -> Callable[[Path], object]:
    def read(root: Path) -> None:
        for split in splits:
            dataset = open_dataset(name, root, split)
            _ = dataset.hand21, dataset.joints14, dataset.images()
            for index in range(min(3, len(dataset))):
                _ = dataset.path(index), dataset.is_there(index), dataset.subject(index)

    return read


TARGETS = (
    FileTarget("nyu-mat5", _nyu, _dataset("nyu", ["test"])),
    FileTarget("nyu-mat5-packed", _nyu_packed, _dataset("nyu", ["test"])),
    FileTarget("nyu-mat73", _nyu_hdf5, _dataset("nyu", ["test"])),
    FileTarget("icvl", _icvl, _dataset("icvl", ["train"])),
    FileTarget("msra15", _msra15, _dataset("msra15", ["P0"])),
    FileTarget("hands17", _hands17, _dataset("hands17", ["test", "train"])),
    FileTarget("joint-text", _text, lambda folder: read_joint_text(folder / "a.txt", 21)),
    FileTarget("joint-text-gz", _packed_text, lambda folder: read_joint_text(folder / "a.txt.gz", 21)),
    FileTarget("predictions", _truth, _read_evaluation, ("*.txt",)),
    FileTarget("predictions-npy", _truth, _read_npy, ("*.npy",)),
    FileTarget("centers", _centres, _read_centres, ("centers.txt",)),
)
