"""A recording of one's own with joints, as crops to train on: cut as the estimator would cut them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import HAND21
from knuckle.crop import CropBox
from knuckle.data.frames import read_joints
from knuckle.data.memory import TrainingData
from knuckle.depth.listing import depth_images
from knuckle.errors import CameraError, DatasetError, DepthError, SettingsError
from knuckle.estimator import HandPoseEstimator
from knuckle.judge import part_map
from knuckle.locate import refine_center
from knuckle.sources import LiveFrame, RecordedSource


def own_frames(
    source: RecordedSource, joints_file: Path, estimator: HandPoseEstimator, side: str, cube_mm: float
) -> tuple[TrainingData, list[str]]:
    """Crops (N, 48, 48) of the frames whose 21 joints are all known, in the order of time, and lines about bad ones.

    joints_file: as `data.frames` has it; its first column names the image, or, of a source that is no folder, the
    frame's number from 0. The cube is put where the estimator would put it: on the middle of what it sees of the hand,
    seen from the middle of the joints. Left hands are mirrored. Raises `DatasetError` for a file that is none, or names
    frames that are not there.
    """
    labels = _labels(source, joints_file)
    crops, faults = [], []
    for index, joints in sorted(labels.items()):
        try:
            crops.append(_cut(source.frame(index), joints, estimator, side, cube_mm))
        except (DepthError, CameraError, SettingsError) as error:
            faults.append(str(error))
    if not crops:
        raise DatasetError(f"{joints_file}: no frame of {source.name} has all 21 joints, or none of them can be read")
    depth, joints21, center = (np.stack(arrays) for arrays in zip(*crops, strict=True))
    return TrainingData(
        depth=depth.astype(np.float16),
        parts=np.zeros(depth.shape, np.uint8),
        joints=joints21.astype(np.float32),
        center=center.astype(np.float32),
        cube_mm=np.full(len(depth), cube_mm, np.float32),
        parts_known=False,
    ), faults


def _labels(source: RecordedSource, path: Path) -> dict[int, NDArray[np.float64]]:
    """Joints (21, 3) mm of every frame, by its number, that has them all."""
    names, rows = read_joints(path)
    missing = [joint for joint in HAND21 if joint not in names]
    if missing:
        raise DatasetError(f"{path}: lacks {', '.join(missing)}: all 21 joints are needed to adapt to")
    order = [names.index(joint) for joint in HAND21]
    numbers = dict(_numbers(source))
    found = {}
    for name, row in rows.items():
        if name not in numbers:
            raise DatasetError(f"{path}: {name!r} is no frame of {source.name}")
        joints = row[order].astype(np.float64)
        if np.isfinite(joints).all():
            found[numbers[name]] = joints
    return found


def _numbers(source: RecordedSource) -> Iterator[tuple[str, int]]:
    folder = Path(source.name)
    if folder.is_dir() and (images := depth_images(folder)):
        yield from ((path.name, index) for index, path in enumerate(images))
    else:
        yield from ((str(index), index) for index in range(len(source)))


def _cut(
    frame: LiveFrame, joints: NDArray[np.float64], estimator: HandPoseEstimator, side: str, cube_mm: float
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Crop (48, 48), joints (21, 3) in its coordinates, and centre (3,) mm of one frame, as of a right hand."""
    mirror = -1 if side == "left" else 1
    box = CropBox((joints.min(axis=0) + joints.max(axis=0)) / 2, frame.camera, cube_mm)
    crop = box.crop_depth(frame.depth)
    parts = part_map(crop, estimator.segment(crop[None, :, ::mirror])[0][..., ::mirror])
    center = refine_center(box, crop, parts)
    if center is not None:
        box = CropBox(center, frame.camera, cube_mm)
        crop = box.crop_depth(frame.depth)
    places = box.to_crop(joints) * [mirror, 1, 1]
    return np.ascontiguousarray(crop[:, ::mirror]), places, box.center * [mirror, 1, 1]
