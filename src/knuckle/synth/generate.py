"""One synthetic sample from (seed, index), and many of them into a store."""

import concurrent.futures
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM, CropBox
from knuckle.data.store import SIDES, Sample, SampleStore
from knuckle.errors import SettingsError
from knuckle.locate import hand_center
from knuckle.synth.assets import BONES, FOREARM, WRIST, anny_version
from knuckle.synth.clutter import draw_clutter
from knuckle.synth.hands import HandModel, unit
from knuckle.synth.pose import joints14, sample_posed
from knuckle.synth.render import NOTHING, rasterize
from knuckle.synth.sensor import NOISES, measure
from knuckle.synth.skinning import skin
from knuckle.synth.view import sample_camera, sample_center_error, sample_view

_MARGIN_MM = 95.0  # drawn around the cube, so that it can be moved by the centre's error
_EDGE_PX = 6  # rendered beyond the cube, so that the sensor's windows see past its edge
_LEAST_PIXELS = 60  # of the hand that must be seen in the crop


@dataclass(frozen=True)
class SynthSettings:
    """What is rendered. Each default is the training set of the shipped networks.

    hand: "makehuman" or "soma"; noise: one of `sensor.NOISES` or "mixed" (45 % each of the two sensors, 10 % none);
    clutter: objects in the cube; coarse_share: share of crops with a first, coarse centre instead of a refined one;
    empty_share: share of crops that show clutter and no hand (their joints are NaN).
    """

    hand: str = "makehuman"
    noise: str = "mixed"
    clutter: bool = True
    coarse_share: float = 0.2
    empty_share: float = 0.03

    def __post_init__(self) -> None:
        if self.noise not in (*NOISES, "mixed"):
            raise SettingsError(f"there is no noise model {self.noise!r}: choose one of {', '.join(NOISES)}, mixed")
        for name in ("coarse_share", "empty_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} must be a share from 0 to 1, got {getattr(self, name)!r}")


def generate_sample(model: HandModel, settings: SynthSettings, seed: int, index: int) -> Sample:
    """Sample `index` of the set `seed`: depends on these two and the settings alone."""
    rng = np.random.default_rng([seed, index])
    origin = np.array([seed, index], dtype=np.int64)
    while True:
        sample = _try_sample(model, settings, origin, rng)
        if sample is not None:
            return sample


def _try_sample(
    model: HandModel, settings: SynthSettings, origin: NDArray[np.int64], rng: np.random.Generator
) -> Sample | None:
    """A random sample, or None where too little of the hand would be seen. origin (2,): what seeded the generator."""
    camera, position = sample_camera(rng)
    points, joints, palm_joints = _sample_hand(model, position, rng)
    window = _window(camera, position, CUBE_MM / 2 + _MARGIN_MM)
    depth, labels = _render(model, points, window)
    surface = _visible_points(depth, labels, window)
    if len(surface) == 0:
        return None
    center = hand_center(surface)
    if rng.random() < settings.empty_share:
        depth.fill(NOTHING)
        labels.fill(0)
        joints, palm_joints = np.full_like(joints, np.nan), np.full_like(palm_joints, np.nan)
    if settings.clutter:
        draw_clutter(depth, labels, window, center, model, rng)
    center = center + sample_center_error(rng, settings.coarse_share)
    view, depth, labels = _cut(window, depth, labels, center)
    depth, labels = measure(depth, labels, camera.fx, *_sample_noise(settings.noise, rng), rng)
    box = CropBox(center, view)
    crop = box.crop_depth(depth)
    parts = box.crop_labels(labels)
    parts[crop >= 1.0] = 0
    if not np.isnan(joints).any() and (parts > 0).sum() < _LEAST_PIXELS:
        return None
    return Sample(
        depth=crop,
        parts=parts,
        joints=joints.astype(np.float32),
        joints14=palm_joints.astype(np.float32),
        center=center.astype(np.float32),
        cube_mm=np.float32(CUBE_MM),
        camera=np.array([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height], dtype=np.float32),
        side=np.uint8(SIDES.index("right")),
        seed=origin,
    )


def _sample_hand(
    model: HandModel, position: NDArray, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """A hand of random shape and pose at a position: skin (V, 3), HAND21 joints (21, 3), NYU14 joints (14, 3), mm."""
    shapes = model.asset.shapes
    blend = shapes[rng.integers(len(shapes))] * 0.8 + rng.normal(size=shapes.shape[1]) * 0.35
    one_shape = shapes.shape[1] == 0
    vertices, rest_joints, tips = model.shaped(blend, rng.uniform(0.88, 1.15) if one_shape else rng.uniform(0.9, 1.1))
    lengths, widths = _sample_stretch(0.10 if one_shape else 0.05, rng)
    bones = sample_posed(model, rest_joints, tips, lengths, widths, rng)
    forearm = bones.maps[FOREARM, :, :3] @ (rest_joints[WRIST] - rest_joints[FOREARM])
    rotation = sample_view(model, unit(forearm), rng)
    palm_joints = joints14(bones)
    middle = bones.chain.mean(axis=0)
    points = skin(vertices, *model.skinning, bones.maps)
    return tuple((p - middle) @ rotation.T + position for p in (points, bones.joints, palm_joints))  # type: ignore[return-value]


def _sample_stretch(spread: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length and width factors (21,) of the bones: per finger, per phalanx; the forearm up to a thick sleeve."""
    lengths, widths = np.ones(BONES), np.ones(BONES)
    for bones in ([3, 4], [6, 7, 8], [10, 11, 12], [14, 15, 16], [18, 19, 20]):
        length, width = np.exp(rng.normal(size=2) * [spread, 0.8 * spread])
        lengths[bones] = np.clip(length * np.exp(rng.normal(size=len(bones)) * 0.5 * spread), 0.8, 1.25)
        widths[bones] = np.clip(width, 0.8, 1.25)
    widths[FOREARM] = rng.uniform(0.85, 1.1) if rng.random() < 0.6 else rng.uniform(1.1, 1.7)
    return lengths, widths


def _window(camera: Camera, center: NDArray, half_mm: float) -> Camera:
    """The camera of just the pixels around a cube of half-edge half_mm about center."""
    half = np.array([camera.fx, camera.fy]) * half_mm / center[2]
    left, top = np.floor(camera.project(center) - half).astype(int)
    width, height = np.ceil(2 * half).astype(int) + 1
    return camera.window(int(left), int(top), int(width), int(height))


def _render(model: HandModel, points: NDArray, window: Camera) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    depth = np.full((window.height, window.width), NOTHING)
    face = np.full(depth.shape, -1, dtype=np.int32)
    rasterize(points, model.asset.faces, window.fx, window.fy, window.cx, window.cy, depth, face)
    return depth, np.where(face >= 0, model.face_labels[face], 0).astype(np.uint8)


def _visible_points(depth: NDArray, labels: NDArray, window: Camera) -> NDArray[np.float64]:
    rows, columns = np.nonzero(labels[::2, ::2])
    return window.back_project(np.stack([columns * 2, rows * 2], axis=1), depth[rows * 2, columns * 2])


def _cut(window: Camera, depth: NDArray, labels: NDArray, center: NDArray) -> tuple[Camera, NDArray, NDArray]:
    """The part of a rendered window that a cube about center needs."""
    half = np.array([window.fx, window.fy]) * CUBE_MM / 2 / center[2]
    middle = window.project(center)
    left, top = np.clip(np.floor(middle - half).astype(int) - _EDGE_PX, 0, None)
    right, bottom = np.ceil(middle + half).astype(int) + _EDGE_PX
    view = window.window(int(left), int(top), *(int(n) for n in (right - left, bottom - top)))
    cut = (slice(int(top), int(bottom)), slice(int(left), int(right)))
    return view, np.ascontiguousarray(depth[cut]), np.ascontiguousarray(labels[cut])


def _sample_noise(noise: str, rng: np.random.Generator) -> tuple[str, float]:
    """Noise model and strength of one sample."""
    if noise == "mixed":
        noise = str(rng.choice(["structured-light", "time-of-flight", "none"], p=[0.45, 0.45, 0.1]))
    return noise, float(rng.uniform(0.2, 1.2))


def generate(
    path: str | Path,
    settings: SynthSettings,
    count: int,
    seed: int,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Writes `count` samples to a Zarr store, in parallel, and calls `progress` with the number done.

    A killed run leaves whole chunks; the same call again completes them to the same bytes.
    workers: processes, None = one a core. Raises `SettingsError` for an unknown hand, a count or a number of workers
    below 1 or a negative seed, `StoreError` if the store holds other samples.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value is not None and value < least:
            raise SettingsError(f"{name} must be at least {least}, got {value}")
    HandModel.load(settings.hand)  # builds a missing asset once, before the workers all want it
    recipe = {**asdict(settings), "seed": seed, "anny": anny_version()}
    store = SampleStore.create(path, count, recipe)
    missing = store.missing_chunks()
    progress(count - sum(len(store.chunk_range(chunk)) for chunk in missing))
    work = partial(_write_chunk, str(path), settings, seed)
    workers = min(workers or os.cpu_count() or 1, max(1, len(missing)))
    if workers == 1:
        for chunk in missing:
            progress(work(chunk))
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(work, chunk) for chunk in missing]
        try:
            for future in concurrent.futures.as_completed(futures):
                progress(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_models: dict[str, HandModel] = {}  # one a worker process


def _write_chunk(path: str, settings: SynthSettings, seed: int, chunk: int) -> int:
    """Renders and writes one chunk of the store; returns its number of samples."""
    if settings.hand not in _models:
        _models[settings.hand] = HandModel.load(settings.hand)
    model = _models[settings.hand]
    store = SampleStore.open(path)
    indices = store.chunk_range(chunk)
    store.write_chunk(chunk, [generate_sample(model, settings, seed, index) for index in indices])
    return len(indices)
