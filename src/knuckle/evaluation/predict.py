"""Our estimator on a dataset, as a file that any evaluator of the field reads; by processes or on a Dask cluster."""

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.crop import CUBE_MM
from knuckle.data.centers import ANNOTATION, LOCATE, annotated_centers, read_centers
from knuckle.data.dataset import Dataset
from knuckle.data.datasets import open_dataset
from knuckle.data.joint_text import write_joint_text
from knuckle.data.protocol import Form, weighted
from knuckle.data.shards import Progress, package_version, require_scheduler, work_through, workers_for
from knuckle.errors import DatasetError, DepthError, WeightsError
from knuckle.estimator import HandPoseEstimator
from knuckle.evaluation.parts import Part, Parts
from knuckle.files import require_writable
from knuckle.lock import only_writer
from knuckle.networks import SHIPPED

FRAMES = 256
"""Frames a task, by default: some seconds of one core, which a killed run may lose."""


@dataclass(frozen=True)
class PredictSettings:
    """How the estimator is asked, and what is written.

    centers: "locate" (the estimator finds the hand itself), "annotation", or a file; form: of the numbers, None = the
    community's; side: of the hand; cube_mm: the networks' own, whatever the literature crops with.
    """

    centers: str = LOCATE
    form: Form | None = None
    side: str = "right"
    cube_mm: float = CUBE_MM


def predict_dataset(
    dataset: Dataset,
    weights: Path | None,
    out: Path,
    settings: PredictSettings | None = None,
    workers: int | None = None,
    scheduler: Any = None,
    progress: Progress = lambda done: None,
    frames: int = FRAMES,
) -> tuple[int, list[str]]:
    """Writes a line for every frame; returns how many show no hand, and a line for each that could not be read.

    Both kinds are lines of nan, which count as missing when they are evaluated. weights: folder of the networks, None =
    those that come with knuckle; workers and scheduler: as in `synth.production.generate`, whose cluster must reach
    the dataset and the weights by the same path; frames: a task's.

    The bytes depend on dataset, weights and settings alone. A killed run leaves its whole tasks in `.NAME.parts` beside
    the file, and the same call again goes on from them. Raises `DatasetError` if centres are asked for that are not
    there, the file cannot be written or is being written, `WeightsError` and `SettingsError` as the estimator does, and
    what `work_through` raises.
    """
    settings = _absolute(settings or PredictSettings())
    require_writable(out, DatasetError)
    workers = workers_for(out, workers, scheduler)
    require_scheduler(scheduler)
    centers = _centers(dataset, settings.centers)
    job = _Job.of(dataset, weights, settings)
    with only_writer(out, DatasetError):
        parts = Parts(out, _made_by(job, dataset, centers, frames))
        numbers = range(-(-len(dataset) // frames))
        whole = [part for part in map(parts.read, numbers) if part is not None and not part.unread]
        progress(sum(len(part.joints) for part in whole))

        def keep(part: Part) -> None:
            parts.keep(part)
            progress(len(part.joints))

        missing = sorted(set(numbers) - {part.number for part in whole})
        work_through(partial(_predict_part, job, frames), missing, workers, scheduler, keep)
        every = [part for part in map(parts.read, numbers) if part is not None]
        _write(out, dataset, settings, every)
        parts.remove()
    return sum(part.empty for part in every), [line for part in every for line in part.unread]


def _write(out: Path, dataset: Dataset, settings: PredictSettings, parts: list[Part]) -> None:
    protocol = dataset.protocol
    none = np.empty((0, len(protocol.joints), 3))
    joints = np.concatenate([none, *(part.joints for part in parts)])  # (N, J, 3) mm
    write_joint_text(out, protocol.from_mm(joints, settings.form or protocol.form, dataset.camera))


@dataclass(frozen=True)
class _Job:
    """What a worker needs for any part; networks: the checksum of the two that it must have."""

    dataset: str
    root: Path
    split: str
    weights: Path | None
    settings: PredictSettings
    networks: str
    call: str  # of `predict_dataset`: files may have changed since another one

    @classmethod
    def of(cls, dataset: Dataset, weights: Path | None, settings: PredictSettings) -> "_Job":
        """Paths are made absolute: a worker may be in another folder."""
        HandPoseEstimator(weights, threads=1)  # refuses what is no network before any work is given out
        place = None if weights is None else weights.absolute()
        found = _checksum(place)
        return cls(dataset.name, dataset.root.absolute(), dataset.split, place, settings, found, uuid.uuid4().hex)


@dataclass(frozen=True, eq=False)
class _Opened:
    """What a worker keeps between parts. One thread: the cores go to parts, and numbers do not depend on theirs."""

    job: _Job
    dataset: Dataset
    centers: NDArray[np.float64] | None
    estimator: HandPoseEstimator

    @classmethod
    def of(cls, job: _Job) -> "_Opened":
        if _checksum(job.weights) != job.networks:
            place = job.weights or SHIPPED
            raise WeightsError(f"{place}: not the networks, or the knuckle, that the work began with: install alike")
        dataset = open_dataset(job.dataset, job.root, job.split)
        centers = _centers(dataset, job.settings.centers)
        return cls(job, dataset, centers, HandPoseEstimator(job.weights, threads=1))

    def joints(self, index: int, depth: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """(21, 3) mm, or None without a hand, or without the centre that was asked for."""
        center = None if self.centers is None else self.centers[index]
        if center is not None and not (np.isfinite(center).all() and center[2] > 0):
            return None
        settings = self.job.settings
        hand = self.estimator(depth, self.dataset.camera, center=center, side=settings.side, cube_mm=settings.cube_mm)
        return None if hand is None else hand.joints


_kept: list[_Opened] = []  # at most one, in every worker process


def _predict_part(job: _Job, frames: int, number: int) -> Part:
    """Part `number` of a dataset, so many frames. Doing it again gives the same."""
    if not _kept or _kept[0].job != job:
        _kept[:] = [_Opened.of(job)]
    opened = _kept[0]
    dataset, protocol = opened.dataset, opened.dataset.protocol
    indices = range(len(dataset))[number * frames : (number + 1) * frames]
    found = np.full((len(indices), len(protocol.joints), 3), np.nan)  # mm
    unread: list[str] = []
    empty = 0
    for row, index in enumerate(indices):
        try:
            depth = dataset.depth(index)
        except DepthError as error:
            unread.append(str(error))
            continue
        joints = opened.joints(index, depth)
        if joints is None:
            empty += 1
        else:
            found[row] = weighted(protocol.from_hand, joints)
    return Part(number, found, empty, unread)


def _centers(dataset: Dataset, source: str) -> NDArray[np.float64] | None:
    if source == LOCATE:
        return None
    return annotated_centers(dataset) if source == ANNOTATION else read_centers(source, dataset)


def _absolute(settings: PredictSettings) -> PredictSettings:
    """A file of centres by its whole path: a worker may be in another folder."""
    if settings.centers in (LOCATE, ANNOTATION):
        return settings
    return replace(settings, centers=str(Path(settings.centers).absolute()))


def _checksum(weights: Path | None) -> str:
    """Of the two networks, and of the knuckle that runs them."""
    folder = weights or SHIPPED
    files = [(folder / name).read_bytes() for name in ("segmentation.onnx", "regression.onnx")]
    return hashlib.sha256(b"".join([package_version().encode(), *files])).hexdigest()


def _made_by(job: _Job, dataset: Dataset, centers: NDArray[np.float64] | None, frames: int) -> str:
    """A checksum of all that the predicted numbers depend on, but the images' own bytes."""
    facts = {**asdict(job), "call": "", "frames": frames, "of": len(dataset), "camera": asdict(dataset.camera)}
    given = b"" if centers is None else centers.tobytes()
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode() + given).hexdigest()
