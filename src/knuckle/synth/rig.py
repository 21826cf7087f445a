"""A hand model as one tuple of arrays, which compiled functions take."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knuckle.synth.hands import KNUCKLES, PARENTS, HandModel
from knuckle.synth.landmarks import joint_offsets


class Rig(NamedTuple):
    """The arrays of a `HandModel`; mm and rad.

    vertices (V, 3), joints (21, 3), shape_vertices (K, V, 3), shape_joints (K, 21, 3), shapes (M, K), faces (F, 3),
    face_labels (F,), skin_bones and skin_weights (V, 4), tip_vertices (5, 8), parents (21,), axes (21, 3, 3),
    rest (21,), directions (21, 3), offsets (21, 3) from where the rig turns to the joints; in_hand (V,): whether a
    vertex is one of the hand, not of the forearm; upright (3, 3): from the rest frame to camera axes, fingers up and
    the palm towards the camera; size: from wrist to middle knuckle; length: from wrist to middle fingertip.
    """

    vertices: NDArray[np.float64]
    joints: NDArray[np.float64]
    shape_vertices: NDArray[np.float64]
    shape_joints: NDArray[np.float64]
    shapes: NDArray[np.float64]
    faces: NDArray[np.int32]
    face_labels: NDArray[np.uint8]
    skin_bones: NDArray[np.int32]
    skin_weights: NDArray[np.float32]
    tip_vertices: NDArray[np.int64]
    parents: NDArray[np.int64]
    axes: NDArray[np.float64]
    rest: NDArray[np.float64]
    directions: NDArray[np.float64]
    offsets: NDArray[np.float64]
    in_hand: NDArray[np.bool_]
    upright: NDArray[np.float64]
    size: float
    length: float


@lru_cache(maxsize=8)
def rig_of(model: HandModel) -> Rig:
    """The model's arrays, made once."""
    asset = model.asset
    skin_bones, skin_weights = model.skinning
    in_hand = np.zeros(len(asset.vertices), dtype=np.bool_)
    in_hand[asset.faces[model.face_labels > 0]] = True
    middle = model.chain[[0, 9, 10, 11, 12]]
    arrays = {
        "vertices": asset.vertices,
        "joints": asset.joints,
        "shape_vertices": asset.shape_vertices,
        "shape_joints": asset.shape_joints,
        "shapes": asset.shapes,
        "faces": asset.faces,
        "face_labels": model.face_labels,
        "skin_bones": skin_bones,
        "skin_weights": skin_weights,
        "tip_vertices": model.tip_vertices,
        "parents": PARENTS,
        "axes": model.axes,
        "rest": model.rest,
        "directions": model.directions,
        "offsets": joint_offsets(model),
        "in_hand": in_hand,
        "upright": np.stack([np.cross(model.distal, model.palmar), -model.distal, -model.palmar]),
    }
    return Rig(
        **{name: np.ascontiguousarray(array) for name, array in arrays.items()},
        size=float(np.linalg.norm(asset.joints[KNUCKLES[1]])),
        length=float(np.linalg.norm(np.diff(middle, axis=0), axis=1).sum()),
    )
