"""A dataset of real frames → a store of samples, shard by shard, by processes or on a Dask cluster.

A frame that cannot be used (missing, damaged, without a centre) keeps its row, so that a row's number stays the
frame's: nothing in the cube, joints and centre NaN. Parts are 0 throughout: nobody knows them.
"""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.crop import SIZE
from knuckle.data.centers import ANNOTATION, LOCATE, annotated_centers, read_centers
from knuckle.data.dataset import Dataset
from knuckle.data.datasets import open_dataset
from knuckle.data.sample import ARRAYS, SIDES
from knuckle.data.shards import Progress, package_version, require_scheduler, work_through, workers_for
from knuckle.data.store import SHARD, SampleStore
from knuckle.errors import DatasetError, DepthError, SettingsError
from knuckle.estimator import CUBE_RANGE_MM, HandPoseEstimator

_MISSING_SHARE = 0.01
"""More missing files than this are no accident of single frames: the import does not begin."""


@dataclass(frozen=True)
class ImportSettings:
    """Where the cubes are put.

    centers: "annotation" (the middle of the joints), "locate" (as the estimator finds the hand), or a file of centres;
    cube_mm: edge of every cube, None = that of the person as the literature has it; side: which hand it is.
    """

    centers: str = ANNOTATION
    cube_mm: float | None = None
    side: str = "right"


@dataclass(frozen=True)
class _Job:
    """Where the frames of a worker come from."""

    dataset: str
    root: Path
    split: str
    settings: ImportSettings
    call: str  # of `import_split`: files may have changed since another one


def import_split(
    dataset: str,
    root: str | Path,
    split: str,
    out: str | Path,
    settings: ImportSettings | None = None,
    workers: int | None = None,
    scheduler: Any = None,
    progress: Progress = lambda done: None,
    shard: int = SHARD,
) -> list[str]:
    """Writes a split of a dataset as a store; returns a line for each frame that could not be used.

    out, workers, scheduler and shard: as in `synth.production.generate`. The bytes depend on frames, labels,
    centres and settings alone. A killed run leaves whole shards; the same call again completes them.

    Raises `DatasetError` if labels or centres are missing or damaged, or more than 1 in 100 frames are missing,
    `SettingsError` for a cube or side that is none, `StoreError` if the store holds other samples or is being written.
    """
    settings = _checked(settings or ImportSettings())
    job = _Job(dataset, Path(root).absolute(), split, settings, uuid.uuid4().hex)
    opened = open_dataset(dataset, job.root, split)
    centers = centers_of(opened, settings)
    _refuse_missing(opened)
    workers = workers_for(out, workers, scheduler)
    require_scheduler(scheduler)
    made_by = _made_by(opened, centers, settings)
    with SampleStore.completing(out, len(opened), made_by, shard, mend=True) as store:
        missing = sorted({*store.missing_shards(), *_mended(store, opened, centers)})
        progress(len(store) - sum(len(store.shard_range(number)) for number in missing))
        work_through(partial(_write_shard, store.url, job), missing, workers, scheduler, progress)
    unused = np.flatnonzero(np.isnan(store.read("center")).any(axis=1))
    return [_reason(opened, settings, int(index)) for index in unused]


def _mended(store: SampleStore, dataset: Dataset, centers: NDArray[np.float64] | None) -> Iterator[int]:
    """Shards with an empty row whose frame can be used by now. A search for the hand is not repeated."""
    if centers is None:
        return
    missing = set(store.missing_shards())
    for shard in range(-(-len(store) // store.attributes["shard"])):
        rows = store.shard_range(shard)
        if shard in missing:
            continue
        empty = np.flatnonzero(np.isnan(store.read("center", rows.start, rows.stop)).any(axis=1)) + rows.start
        if any(np.isfinite(centers[index]).all() and _is_readable(dataset, int(index)) for index in empty):
            yield shard


def _is_readable(dataset: Dataset, index: int) -> bool:
    try:
        dataset.depth(index)
    except DepthError:
        return False
    return True


def centers_of(dataset: Dataset, settings: ImportSettings) -> NDArray[np.float64] | None:
    """(N, 3) mm, NaN where there is none; None where each frame is to be searched."""
    if settings.centers == LOCATE:
        return None
    if settings.centers == ANNOTATION:
        return annotated_centers(dataset)
    return read_centers(settings.centers, dataset)


def _checked(settings: ImportSettings) -> ImportSettings:
    """The settings, a file of centres by its whole path: a worker may be in another folder."""
    low, high = CUBE_RANGE_MM
    if settings.cube_mm is not None and not low <= settings.cube_mm <= high:
        raise SettingsError(f"cube_mm must be {low:g} to {high:g} mm, got {settings.cube_mm!r}")
    if settings.side not in SIDES:
        raise SettingsError(f"side must be one of {', '.join(SIDES)}, got {settings.side!r}")
    if settings.centers in (ANNOTATION, LOCATE):
        return settings
    return replace(settings, centers=str(Path(settings.centers).absolute()))


def _refuse_missing(dataset: Dataset) -> None:
    missing = [index for index in range(len(dataset)) if not dataset.is_there(index)]
    if len(missing) > _MISSING_SHARE * len(dataset):
        raise DatasetError(
            f"{dataset.path(missing[0])}: missing, with {len(missing) - 1:,} others of {len(dataset):,} frames: unpack "
            f"the archive again; all that is missing is named by  knuckle data check --dataset {dataset.name}"
        )


def _made_by(dataset: Dataset, centers: NDArray[np.float64] | None, settings: ImportSettings) -> dict[str, Any]:
    """What a store keeps of where it comes from: everything that its bytes depend on, but the images' own."""
    protocol = dataset.protocol
    source = settings.centers if settings.centers in (ANNOTATION, LOCATE) else Path(settings.centers).name
    cubes = {person.name: settings.cube_mm or protocol.cube_of(person.name) for person in dataset.subjects}
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        "labels_sha256": _sha256(dataset.labels, dataset.hand21, dataset.joints14),
        "camera": asdict(dataset.camera),
        "centers": source,
        "centers_sha256": None if centers is None else _sha256(centers),
        "cube_mm": cubes or (settings.cube_mm or protocol.cube_mm),
        "side": settings.side,
        "subjects": [[person.name, person.start, person.stop] for person in dataset.subjects],
        "parts_known": False,
        "knuckle": package_version(),
    }


def _sha256(*arrays: NDArray) -> str:
    return hashlib.sha256(b"".join(values.tobytes() for values in arrays)).hexdigest()


@dataclass(frozen=True, eq=False)
class _Opened:
    """What a worker keeps between shards."""

    job: _Job
    dataset: Dataset
    centers: NDArray[np.float64] | None
    estimator: HandPoseEstimator | None

    @classmethod
    def of(cls, job: _Job) -> "_Opened":
        dataset = open_dataset(job.dataset, job.root, job.split)
        centers = centers_of(dataset, job.settings)
        return cls(job, dataset, centers, HandPoseEstimator(threads=1) if centers is None else None)

    def center(self, index: int, depth: NDArray[np.float32]) -> NDArray[np.float64]:
        """(3,) mm. Raises `DatasetError` where there is none."""
        if self.estimator is not None:
            hand = self.estimator(depth, self.dataset.camera, side=self.job.settings.side)
            found = None if hand is None else hand.center.astype(np.float64)
        else:
            assert self.centers is not None
            found = self.centers[index]
        if found is None or not np.isfinite(found).all() or found[2] <= 0:
            raise DatasetError(f"{self.dataset.path(index)}: no centre of a hand from {self.job.settings.centers}")
        return found


_kept: list[_Opened] = []  # at most one, in every worker process


def _write_shard(url: str, job: _Job, shard: int) -> int:
    """Crops and writes one shard of the store; returns its number of frames. Doing it again does no harm."""
    if not _kept or _kept[0].job != job:
        _kept[:] = [_Opened.of(job)]
    store = SampleStore.open(url, writable=True)
    indices = store.shard_range(shard)
    store.write_shard(shard, _rows(_kept[0], indices))
    return len(indices)


def _rows(opened: _Opened, indices: range) -> dict[str, NDArray]:
    """Rows of a store, by the array's name."""
    dataset, settings, count = opened.dataset, opened.job.settings, len(indices)
    camera = dataset.camera
    rows = {name: np.zeros((count, *shape), dtype=kind) for name, (shape, kind) in ARRAYS.items() if name != "depth"}
    rows["depth"] = np.ones((count, SIZE, SIZE), dtype=np.float32)
    some = slice(indices.start, indices.stop)
    rows["joints"][:], rows["joints14"][:] = dataset.hand21[some], dataset.joints14[some]
    rows["camera"][:] = camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height
    rows["side"][:] = SIDES.index(settings.side)
    rows["seed"][:] = np.stack(
        [np.full(count, -1), np.array(indices)], axis=1
    )  # drawn from nothing: the frame's number
    for row, index in enumerate(indices):
        rows["cube_mm"][row] = settings.cube_mm or dataset.protocol.cube_of(dataset.subject(index))
        try:
            depth = dataset.depth(index)
            center = opened.center(index, depth)
        except (DepthError, DatasetError):
            rows["center"][row] = rows["joints"][row] = rows["joints14"][row] = np.nan
            continue
        rows["center"][row] = center
        rows["depth"][row] = dataset.crop_box(index, center, settings.cube_mm).crop_depth(depth)
    return rows


def _reason(dataset: Dataset, settings: ImportSettings, index: int) -> str:
    """Why a frame has no centre."""
    try:
        dataset.depth(index)
    except DepthError as error:
        return str(error)
    return f"{dataset.path(index)}: no centre of a hand from {settings.centers}"
