"""A rigged hand that one pose vector drives, whatever its rig: axes, rest angles and parts come from its joints."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.synth.assets import BONES, FOREARM, THUMB, WRIST, HandAsset, load_asset
from knuckle.synth.shaping import blend, fingertips

PARENTS = np.array(
    [-1, 0, 1, 2, 3, *(b for f in range(4) for b in (1, 5 + 4 * f, 6 + 4 * f, 7 + 4 * f))]
)  # (21,) parent of every bone
LAST_BONES = np.array([4, 8, 12, 16, 20])  # of thumb, index, middle, ring, pinky
KNUCKLES = np.array([6, 10, 14, 18])  # proximal bones of index..pinky, based at the mcp joints
JOINT_BONES = np.array([1, 2, 3, 4, 0, 6, 7, 8, 0, 10, 11, 12, 0, 14, 15, 16, 0, 18, 19, 20, 0])
"""(21,) the bone based at each joint of HAND21; 0 stands in for the tips, which are no bone's base."""

TIP_FROM = 0.45
"""The last phalanx is "distal" up to this share of its length and "tip" beyond ."""

_TIP_VERTICES = 8


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors (..., 3) scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def chain(joints: NDArray[np.float64], tips: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bone bases (21, 3) and tips (5, 3) in HAND21's order, (21, 3)."""
    points = joints[JOINT_BONES]
    points[4::4] = tips
    return points


@dataclass(frozen=True, eq=False)
class HandModel:
    """A right hand ready to be posed.

    asset: its arrays; tip_vertices (5, 8): the outermost vertices of each finger; axes (21, 3, 3): up to three turning
    axes a bone, applied last to first; rest (21,) rad: flexion of the rest pose; directions (21, 3): along each bone;
    distal, ulnar, palmar (3,): the palm's own axes in rest pose.
    """

    asset: HandAsset
    tip_vertices: NDArray[np.int64]
    axes: NDArray[np.float64]
    rest: NDArray[np.float64]
    directions: NDArray[np.float64]
    distal: NDArray[np.float64]
    ulnar: NDArray[np.float64]
    palmar: NDArray[np.float64]

    @classmethod
    def load(cls, name: str) -> "HandModel":
        """The hand `name`, for example "makehuman" or "soma": see `assets.load_asset`, which names its errors."""
        return cls.from_asset(load_asset(name))

    @classmethod
    def from_asset(cls, asset: HandAsset) -> "HandModel":
        """Works out axes and rest angles from the positions of the joints."""
        joints = asset.joints
        tip_vertices = _tip_vertices(asset)
        tips = fingertips(asset.vertices, joints, tip_vertices)
        distal = unit(joints[KNUCKLES[1]] - joints[WRIST])
        across = joints[KNUCKLES[3]] - joints[KNUCKLES[0]]
        ulnar = unit(across - (across @ distal) * distal)
        palmar = unit(np.cross(distal, ulnar))
        axes = np.zeros((BONES, 3, 3))
        rest = np.zeros(BONES)
        axes[WRIST, 0], axes[WRIST, 1] = palmar, unit(np.cross(distal, palmar))
        for finger in range(4):
            _finger_axes(finger, joints, tips, palmar, axes, rest)
        _thumb_axes(asset, joints, tips[0], ulnar, palmar, axes, rest)
        return cls(
            asset=asset,
            tip_vertices=tip_vertices,
            axes=axes,
            rest=rest,
            directions=_directions(joints, tips),
            distal=distal,
            ulnar=ulnar,
            palmar=palmar,
        )

    @cached_property
    def chain(self) -> NDArray[np.float64]:
        """(21, 3) mm in HAND21's order, where the rig of the mean hand turns at rest, and its fingertips."""
        return chain(self.asset.joints, fingertips(self.asset.vertices, self.asset.joints, self.tip_vertices))

    @cached_property
    def face_labels(self) -> NDArray[np.uint8]:
        """(F,) part label of every face: its dominant bone's, the last phalanges cut at `TIP_FROM`; forearm 0."""
        asset = self.asset
        labels = np.zeros(BONES, dtype=np.uint8)
        labels[WRIST] = labels[THUMB[0]] = LABELS.index("palm")
        labels[THUMB[1]], labels[THUMB[2]] = LABELS.index("thumb_proximal"), LABELS.index("thumb_distal")
        for finger, name in enumerate(("index", "middle", "ring", "pinky")):
            first = LABELS.index(f"{name}_proximal")
            labels[5 + 4 * finger : 9 + 4 * finger] = [LABELS.index("palm"), first, first + 1, first + 2]
        bone = asset.weights[asset.faces].sum(axis=1).argmax(axis=1)
        faces = labels[bone]
        middles = asset.vertices[asset.faces].mean(axis=1)
        tips = fingertips(asset.vertices, asset.joints, self.tip_vertices)
        for last, tip in zip(LAST_BONES, tips, strict=True):
            phalanx = tip - asset.joints[last]
            along = (middles - asset.joints[last]) @ phalanx / (phalanx @ phalanx)
            faces[(bone == last) & (along > TIP_FROM)] += 1
        return faces

    @cached_property
    def skinning(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The four strongest bones of every vertex, (V, 4), and their weights, (V, 4), which sum to 1."""
        bones = np.argsort(-self.asset.weights, axis=1)[:, :4]
        weights = np.take_along_axis(self.asset.weights, bones, axis=1)
        weights /= weights.sum(axis=1, keepdims=True)
        return bones.astype(np.int32), weights.astype(np.float32)

    def shaped(self, shape: NDArray[np.float64], scale: float) -> tuple[NDArray, NDArray, NDArray]:
        """Rest vertices (V, 3), bone bases (21, 3) and tips (5, 3) mm of shape coefficients (K,) and overall scale."""
        vertices = blend(self.asset.vertices, self.asset.shape_vertices, shape)
        joints = blend(self.asset.joints, self.asset.shape_joints, shape)
        return vertices * scale, joints * scale, fingertips(vertices, joints, self.tip_vertices) * scale


def _tip_vertices(asset: HandAsset) -> NDArray[np.int64]:
    bone = asset.weights.argmax(axis=1)
    outermost = []
    for last in LAST_BONES:
        along = unit(asset.joints[last] - asset.joints[last - 1])
        vertices = np.flatnonzero(bone == last)
        reach = (asset.vertices[vertices] - asset.joints[last]) @ along
        outermost.append(vertices[np.argsort(-reach)[:_TIP_VERTICES]])
    return np.stack(outermost)


def _signed_angle(a: NDArray, b: NDArray, axis: NDArray) -> float:
    """Angle (rad) from a to b about axis, both first laid into the plane across it."""
    a, b = a - (a @ axis) * axis, b - (b @ axis) * axis
    return float(np.arctan2(np.cross(a, b) @ axis, a @ b))


def _finger_axes(finger: int, joints: NDArray, tips: NDArray, palmar: NDArray, axes: NDArray, rest: NDArray) -> None:
    """Fills axes and rest angles of a finger's four bones: it bends in the plane of its curl and the palm's normal."""
    metacarpal, proximal, middle, distal = range(5 + 4 * finger, 9 + 4 * finger)
    first = unit(joints[middle] - joints[proximal])
    second = unit(joints[distal] - joints[middle])
    third = unit(tips[finger + 1] - joints[distal])
    whole = unit(tips[finger + 1] - joints[proximal])
    flexion = unit(np.cross(whole, palmar))
    curl = np.cross(first, third)
    if np.linalg.norm(curl) > np.sin(np.radians(8)):  # a finger straighter than this has no plane of its own
        curl = unit(curl) * np.sign(curl @ flexion)
        if curl @ flexion > 0.6:
            flexion = unit(curl + flexion)
    flexion = unit(flexion - 0.5 * (flexion @ first) * first)
    axes[proximal, 0], axes[proximal, 1] = unit(np.cross(flexion, whole)), flexion
    axes[middle, 0] = axes[distal, 0] = flexion
    along = unit(joints[proximal] - joints[WRIST])
    axes[metacarpal, 0] = unit(np.cross(along, palmar))
    rest[proximal] = _signed_angle(along, first, flexion)
    rest[middle] = _signed_angle(first, second, flexion)
    rest[distal] = _signed_angle(second, third, flexion)


def _thumb_axes(
    asset: HandAsset, joints: NDArray, tip: NDArray, ulnar: NDArray, palmar: NDArray, axes: NDArray, rest: NDArray
) -> None:
    """Fills axes and rest angles of the thumb. It bends towards its pad, found where the last phalanx is thin."""
    cmc, mcp, ip = THUMB
    first, second = unit(joints[mcp] - joints[cmc]), unit(joints[ip] - joints[mcp])
    third = unit(tip - joints[ip])
    along = unit(second + third)
    pad = unit(0.75 * ulnar + 0.55 * palmar)
    pad = unit(pad - (pad @ along) * along)
    phalanx = asset.vertices[asset.weights.argmax(axis=1) == ip]
    phalanx = phalanx - phalanx.mean(axis=0)
    phalanx = phalanx - np.outer(phalanx @ along, along)
    thin = np.linalg.eigh(phalanx.T @ phalanx)[1][:, 1]
    thin = thin * np.sign(thin @ pad)
    if thin @ pad > np.cos(np.radians(70)):
        pad = unit(pad + thin)
    flexion = unit(np.cross(along, pad))
    axes[cmc, 0], axes[cmc, 1], axes[cmc, 2] = palmar, unit(np.cross(first, palmar)), first
    axes[mcp, 0] = axes[ip, 0] = flexion
    rest[mcp] = _signed_angle(first, second, flexion)
    rest[ip] = _signed_angle(second, third, flexion)


def _directions(joints: NDArray, tips: NDArray) -> NDArray[np.float64]:
    directions = np.zeros((BONES, 3))
    for bone in range(BONES):
        if bone == WRIST:
            end = joints[KNUCKLES[1]]
        elif bone in LAST_BONES:
            end = tips[LAST_BONES.tolist().index(bone)]
        else:
            end = joints[WRIST] if bone == FOREARM else joints[bone + 1]
        directions[bone] = unit(end - joints[bone])
    return directions
