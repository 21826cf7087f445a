"""What a download holds, what of it is missing or damaged, and how to mend that: before hours of training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from knuckle.data.dataset import Dataset, require_folder
from knuckle.data.datasets import dataset_kind, open_dataset, usual_splits
from knuckle.data.shards import work_through
from knuckle.errors import DatasetError, DepthError, KnuckleError

_TASK = 128
"""Frames a task: about a second's work."""


@dataclass(frozen=True)
class SplitReport:
    """What was found in one split.

    frames: that have a label; whole: how many the published split has, None where that is not known; missing and
    damaged: what is wrong with which frame, in order; unlabelled: images without a label; faults: one sentence each,
    with the remedy, for everything that is wrong; no_joints: frames whose label has no joint.
    """

    split: str
    frames: int
    whole: int | None
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    unlabelled: tuple[str, ...]
    no_joints: int
    faults: tuple[str, ...]


def check_dataset(
    name: str,
    root: Path,
    splits: Sequence[str] = (),
    quick: bool = False,
    workers: int = 1,
    progress: Callable[[str, int, int], None] = lambda split, done, total: None,
) -> list[SplitReport]:
    """Checks the splits of a dataset, by default all that make up the whole.

    Every image is decoded; quick: only looked for. progress: called with the split, frames done, and all. Raises
    `DatasetError` for an unknown dataset or split, a folder that is not there, or one without any split, `CameraError`
    for a recording's camera file that is none.
    """
    kind = dataset_kind(name)
    require_folder(root, kind.layout())
    wanted = list(splits) or list(usual_splits(name))
    reports = [_check_split(name, root, split, quick, workers, partial(progress, split)) for split in wanted]
    if not splits and not any(report.frames for report in reports):
        raise DatasetError(f"{reports[0].faults[0]}{_deeper(kind, root)}")
    return reports


def _check_split(
    name: str, root: Path, split: str, quick: bool, workers: int, progress: Callable[[int, int], None]
) -> SplitReport:
    try:
        dataset = open_dataset(name, root, split)
    except DatasetError as error:
        if split not in dataset_kind(name).splits:
            raise
        return SplitReport(split, 0, None, (), (), (), 0, (str(error),))
    missing = [index for index in range(len(dataset)) if not dataset.is_there(index)]
    damaged = [] if quick else _damaged(name, root, dataset, workers, progress)
    labelled = {dataset.path(index) for index in range(len(dataset))}
    unlabelled = [path for path in dataset.images() if path not in labelled]
    no_joints = int(np.isnan(dataset.labels).all(axis=(1, 2)).sum())
    whole = dataset.protocol.counts.get(split)
    faults = list(_faults(dataset, whole, missing, [fault for _, fault in damaged], unlabelled, no_joints))
    return SplitReport(
        split,
        len(dataset),
        whole,
        tuple(_file(dataset, index) for index in missing),
        tuple(fault for _, fault in damaged),
        tuple(map(str, unlabelled)),
        no_joints,
        tuple(faults),
    )


def _damaged(
    name: str, root: Path, dataset: Dataset, workers: int, progress: Callable[[int, int], None]
) -> list[tuple[int, str]]:
    """Frames that are there and cannot be read, with the reason."""
    _opened.clear()  # what was read before may have been mended since
    found: list[tuple[int, str]] = []
    total, done = len(dataset), 0

    def note(result: list[tuple[int, str]]) -> None:
        nonlocal done
        found.extend(result)
        done = min(total, done + _TASK)
        progress(done, total)

    work_through(partial(_check_some, name, root, dataset.split), list(range(-(-total // _TASK))), workers, None, note)
    return sorted(found)


_opened: dict[tuple[str, Path, str], Dataset] = {}  # the last one of a worker process


def _check_some(name: str, root: Path, split: str, task: int) -> list[tuple[int, str]]:
    key = (name, root, split)
    if key not in _opened:
        _opened.clear()
        _opened[key] = open_dataset(*key)
    dataset = _opened[key]
    faults = []
    for index in range(task * _TASK, min((task + 1) * _TASK, len(dataset))):
        try:
            if dataset.is_there(index):
                dataset.depth(index)
        except DepthError as error:
            faults.append((index, str(error)))
    return faults


def _faults(
    dataset: Dataset,
    whole: int | None,
    missing: list[int],
    damaged: list[str],
    unlabelled: list[Path],
    no_joints: int,
) -> list[str]:
    """A sentence for each kind of fault."""
    found = []
    if whole is not None and len(dataset) != whole:
        found.append(
            f"labels for {len(dataset):,} frames, but {dataset.protocol.title} has {whole:,}: download it again"
        )
    if missing:
        of_all = f"{len(missing):,} of {len(dataset):,} frames are missing"
        found.append(f"{of_all} ({_ranges(dataset, missing)}): unpack the archive again, and compare its size")
    if damaged:
        found.append(
            f"{len(damaged):,} of {len(dataset):,} frames cannot be read: unpack those again ({damaged[0]} ...)"
        )
    if unlabelled:
        found.append(f"{len(unlabelled):,} images have no label, {unlabelled[0].name} the first: they are left out")
    if no_joints and no_joints < len(dataset):
        found.append(f"{no_joints:,} frames have a label without any joint: they are kept as frames without a hand")
    return found


def _ranges(dataset: Dataset, indices: list[int], most: int = 3) -> str:
    """Files first to last of every run of neighbours."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    texts = [_file(dataset, a) if a == b else f"{_file(dataset, a)} to {_file(dataset, b)}" for a, b in runs[:most]]
    return ", ".join([*texts, *(["..."] if len(runs) > most else [])])


def _file(dataset: Dataset, index: int) -> str:
    path = dataset.path(index)
    return str(path.relative_to(dataset.root) if path.is_relative_to(dataset.root) else path)  # labels may name any


def _deeper(kind: type[Dataset], root: Path) -> str:
    """A hint, where the dataset lies one folder farther down."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for split in usual_splits(kind.name):
            try:
                kind(folder, split)
            except KnuckleError:
                continue
            return f"; it seems to lie in {folder}"
    return ""
