"""The MANO hand out of the user's own `MANO_RIGHT.pkl`, which its licence does not let anyone ship.

MANO: Romero, Tzionas & Black 2017, "Embodied Hands: Modeling and Capturing Hands and Bodies Together".
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import SettingsError
from knuckle.synth.assets import BONES, FOREARM, FOREARM_MM, WRIST, HandAsset, cut_forearm
from knuckle.synth.hands import KNUCKLES
from knuckle.synth.mano_file import REMEDY, read

_FROM_MANO = {
    0: 1,
    13: 2,
    14: 3,
    15: 4,
    1: 6,
    2: 7,
    3: 8,
    4: 10,
    5: 11,
    6: 12,
    10: 14,
    11: 15,
    12: 16,
    7: 18,
    8: 19,
    9: 20,
}
"""Our bone of each of MANO's joints: wrist, then index, middle, pinky, ring, thumb."""
_METRE = 1000.0  # MANO's unit in mm
_SHAPES = 500
_RINGS = 8  # of the forearm that is added
_SLEEVE = 1.2  # how much wider than the wrist its far end is
_BEND_MM = (-15.0, 10.0)  # along the hand from the wrist: between these the forearm's hold on the skin fades


def build(path: Path) -> HandAsset:
    """The right hand of a MANO file, with a forearm added behind its open wrist, and 500 random shapes.

    Its 10 shape components keep MANO's unit: one standard deviation each. MANO has neither metacarpals nor a forearm:
    metacarpal bones are put halfway to the knuckles and carry no skin. Raises `SettingsError` if the file cannot be
    read, is a left hand, or is anything else.
    """
    model = read(path)
    vertices, shapes = model["v_template"] * _METRE, model["shapedirs"].transpose(2, 0, 1) * _METRE  # (V, 3), (K, V, 3)
    joints = _bones(model["J_regressor"] @ vertices)
    shape_joints = np.stack([_bones(model["J_regressor"] @ shape) for shape in shapes])
    weights = np.zeros((len(vertices), BONES))
    weights[:, list(_FROM_MANO.values())] = model["weights"][:, list(_FROM_MANO)]
    distal, palmar = _directions(joints)
    if (joints[[2, 3, 4]] - joints[WRIST]).mean(axis=0) @ palmar < 0:
        raise SettingsError(f"{path} is a left hand: {REMEDY} (left hands are mirrored right ones)")
    joints[FOREARM] = joints[WRIST] - 2 * FOREARM_MM * distal
    shape_joints[:, FOREARM] = shape_joints[:, WRIST]
    asset = HandAsset(
        vertices=vertices - joints[WRIST],
        joints=joints - joints[WRIST],
        weights=weights / weights.sum(axis=1, keepdims=True),
        faces=model["f"].astype(np.int32),
        shape_vertices=shapes - shape_joints[:, [WRIST]],
        shape_joints=shape_joints - shape_joints[:, [WRIST]],
        shapes=np.clip(np.random.default_rng(0).normal(size=(_SHAPES, len(shapes))), -2, 2),
    )
    return cut_forearm(_with_forearm(asset, distal, path))


def digest(path: Path) -> str:
    """The first 16 digits of the file's SHA-256, which says which MANO a hand came from."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): {REMEDY}") from None


def _bones(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """MANO's joints (16, 3) → bases of our bones (21, 3), the forearm's still missing."""
    bones = np.zeros((BONES, 3))
    bones[list(_FROM_MANO.values())] = joints[list(_FROM_MANO)]
    for knuckle in KNUCKLES:
        bones[knuckle - 1] = (bones[WRIST] + bones[knuckle]) / 2
    return bones


def _directions(joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors along the hand, and out of its palm if it is a right one."""
    distal = joints[KNUCKLES].mean(axis=0) - joints[WRIST]
    palmar = np.cross(distal, joints[KNUCKLES[3]] - joints[KNUCKLES[0]])
    return distal / np.linalg.norm(distal), palmar / np.linalg.norm(palmar)


def _with_forearm(asset: HandAsset, distal: NDArray[np.float64], path: Path) -> HandAsset:
    """Draws the open border of the wrist out into a sleeve, which stays open at its far end."""
    rim = _border(asset.faces, path)
    along = asset.vertices @ distal  # (V,) mm
    fade = np.clip((_BEND_MM[1] - along) / (_BEND_MM[1] - _BEND_MM[0]), 0, 1)
    weights = asset.weights.copy()
    weights[:, FOREARM] = fade * weights[:, WRIST]
    weights[:, WRIST] *= 1 - fade
    edge = asset.vertices[rim]
    middle = edge.mean(axis=0)
    across = edge - middle - np.outer((edge - middle) @ distal, distal)
    rings, faces = [asset.vertices], [asset.faces]
    count = len(rim)
    for ring in range(_RINGS):
        share = (ring + 1) / _RINGS
        place = along[rim] * (1 - share) - 0.98 * FOREARM_MM * share
        axis = middle - (middle @ distal) * distal
        rings.append(axis + across * (1 + (_SLEEVE - 1) * share) + np.outer(place, distal))
        near = rim if ring == 0 else len(asset.vertices) + (ring - 1) * count + np.arange(count)
        faces.append(_strip(near, len(asset.vertices) + ring * count + np.arange(count)).astype(np.int32))
    return HandAsset(
        vertices=np.concatenate(rings),
        joints=asset.joints,
        weights=np.concatenate([weights, np.tile(np.eye(BONES)[FOREARM], (_RINGS * count, 1))]),
        faces=np.concatenate(faces),
        shape_vertices=np.concatenate([asset.shape_vertices, *[asset.shape_vertices[:, rim]] * _RINGS], axis=1),
        shape_joints=asset.shape_joints,
        shapes=asset.shapes,
    )


def _border(faces: NDArray[np.int32], path: Path) -> NDArray[np.int64]:
    """The vertices of the mesh's one open border, in the order of its faces' edges."""
    edges = {tuple(edge) for edge in np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()}
    after = {a: b for a, b in edges if (b, a) not in edges}
    loop = list(after)[:1]
    while loop and after.get(loop[-1], loop[0]) != loop[0] and len(loop) <= len(after):
        loop.append(after[loop[-1]])
    if len(loop) < 3 or len(loop) != len(after):
        raise SettingsError(f"{path} has a mesh that is not open at the wrist alone: {REMEDY}")
    return np.array(loop)


def _strip(near: NDArray[np.int64], far: NDArray[np.int64]) -> NDArray[np.int64]:
    """Faces between two rings of vertices, turned like the faces whose border `near` is."""
    near_next, far_next = np.roll(near, -1), np.roll(far, -1)
    return np.concatenate([np.stack([near_next, near, far], axis=1), np.stack([near_next, far, far_next], axis=1)])
