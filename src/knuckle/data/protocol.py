"""What a dataset of real frames fixes for everybody who uses it: camera, joints, axes, cubes, subjects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.anatomy import FINGERS, HAND21, NYU14_FROM_HAND21
from knuckle.camera import Camera
from knuckle.errors import DatasetError

Form = Literal["uvd", "xyz", "own"]
"""Three numbers a joint in a text file: u px, v px, depth mm; x, y, z mm in camera axes (y down); or x, y, z mm in the
dataset's own axes, which for NYU and MSRA15 have y up."""

PALM = NYU14_FROM_HAND21[13]  # (21,)


@dataclass(frozen=True)
class Subject:
    """Frames start:stop of a split, all of one person (or of one sequence, where persons are not told apart)."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Protocol:
    """How the literature evaluates on a dataset.

    joints: names in the order of its text files; camera: by which their pixels are converted, None where each recording
    has its own; signs: what turns the dataset's own x, y, z into camera axes; form: of the community's text files;
    from_hand: (J, 21) the dataset's joints as weighted sums of HAND21; bones: pairs of joints to draw; cube_mm: edge of
    the hand's cube, and subject_cube_mm where a person has another; counts: frames of each split, whole; subjects: of a
    whole split.
    """

    name: str
    title: str
    joints: tuple[str, ...]
    from_hand: NDArray[np.float64]
    bones: tuple[tuple[int, int], ...]
    camera: Camera | None
    cube_mm: float
    form: Form = "uvd"
    signs: tuple[int, int, int] = (1, 1, 1)
    subject_cube_mm: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    subjects: Mapping[str, tuple[Subject, ...]] = field(default_factory=dict)

    def to_mm(self, values: ArrayLike, form: Form, camera: Camera | None = None) -> NDArray[np.float64]:
        """Numbers of a text file (..., J, 3) → mm, camera axes. camera: in the place of the protocol's own.

        Raises `DatasetError` for pixels without a camera.
        """
        values = np.asarray(values, dtype=np.float64)
        if form == "uvd":
            return self._camera(camera).back_project(values[..., :2], values[..., 2])
        return values * self.signs if form == "own" else values

    def from_mm(self, joints: ArrayLike, form: Form, camera: Camera | None = None) -> NDArray[np.float64]:
        """Joints (..., J, 3) mm, camera axes → numbers of a text file. Inverse of `to_mm`."""
        joints = np.asarray(joints, dtype=np.float64)
        if form == "uvd":
            return np.concatenate([self._camera(camera).project(joints), joints[..., 2:]], axis=-1)
        return joints * self.signs if form == "own" else joints

    def fingers(self) -> dict[str, list[int]]:
        """Indices of the joints of each finger; those of none are "palm"."""
        found: dict[str, list[int]] = {}
        for index, joint in enumerate(self.joints):
            finger = joint.partition("_")[0]
            found.setdefault(finger if finger in FINGERS else "palm", []).append(index)
        return found

    def cube_of(self, subject: str) -> float:
        """Edge of a person's cube, mm."""
        return self.subject_cube_mm.get(subject, self.cube_mm)

    def _camera(self, camera: Camera | None) -> Camera:
        found = camera or self.camera
        if found is None:
            raise DatasetError(f"{self.title}: pixels need a camera: give millimetres, with  --form xyz")
        return found


def weighted(weights: ArrayLike, joints: ArrayLike) -> NDArray[np.float64]:
    """Weighted sums (..., K, 3) of joints (..., J, 3) by weights (K, J).

    NaN only where a joint that counts is NaN, or where none counts.
    """
    weights, joints = np.asarray(weights, dtype=np.float64), np.asarray(joints, dtype=np.float64)
    known = np.isfinite(joints).all(axis=-1)  # (..., J)
    sums = weights @ np.where(known[..., None], joints, 0.0)
    unknown = (~known).astype(np.float64) @ (weights != 0).T > 0  # (..., K)
    return np.where((unknown | ~weights.any(axis=1))[..., None], np.nan, sums)


def picked(names: Iterable[str | None], source: tuple[str, ...] = HAND21) -> NDArray[np.float64]:
    """Weights (K, J) that take joints of `source` by name; no weight at all for None."""
    rows = [[float(name == other) for other in source] for name in names]
    return np.array(rows)
