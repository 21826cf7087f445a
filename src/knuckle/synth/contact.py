"""Contact in a gesture: which skins touch, how far they are apart or inside each other, and the search for angles."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import FINGERS, POSE, POSE_MAX, POSE_MIN
from knuckle.synth.assets import BONES, THUMB
from knuckle.synth.distance import signed_distances
from knuckle.synth.hands import LAST_BONES, HandModel, unit
from knuckle.synth.pose import pose_bones
from knuckle.synth.skinning import skin

REACH_MM = 10.0
"""Gaps wider than this are reported as this wide: only near ones matter, and far ones cost time."""

PALM = (1, 5, 9, 13, 17)
"""Bones of the palm without the thumb's."""

_BONES = {"thumb": (3, 4), "index": (6, 7, 8), "middle": (10, 11, 12), "ring": (14, 15, 16), "pinky": (18, 19, 20)}
_FACING = 0.3  # cosine between a face's normal and the pad's direction from which it belongs to the pad, or the back
_PAD_FROM = 0.35  # part of a last phalanx, from its joint, beyond which its pad lies


Place: TypeAlias = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Contact:
    """What touches in a gesture.

    touches: pairs of places that must meet, each a side ("pad", "back" or "all") and the bones that carry it;
    free: how the names of the angles begin that the search may change.
    """

    touches: tuple[tuple[Place, Place], ...]
    free: tuple[str, ...] = ("thumb",)


_THUMB_PAD = ("pad", (4,))
CONTACTS = {
    "fist": Contact(((_THUMB_PAD, ("back", (7, 11))),), ("thumb", "index_pip", "middle_mcp", "middle_pip")),
    "pinky": Contact(((_THUMB_PAD, ("back", (7, 11))),), ("thumb", "index_pip", "middle_mcp", "middle_pip")),
    "point": Contact(((_THUMB_PAD, ("back", (11, 12))),), ("thumb", "middle_mcp", "middle_pip")),
    "horns": Contact(((_THUMB_PAD, ("back", (11, 15))),), ("thumb", "middle_mcp", "middle_pip")),
    "vee": Contact(((_THUMB_PAD, ("back", (15, 16))),)),
    "four": Contact(((_THUMB_PAD, ("all", (9, 10, 13, 14))),)),
    "pinch": Contact(((_THUMB_PAD, ("pad", (8,))),), ("thumb", "index")),
    "ok": Contact(((_THUMB_PAD, ("pad", (8,))),), ("thumb", "index")),
}
"""The gestures of `prior.PROTOTYPES` that are held by contact."""


class Patch(NamedTuple):
    """A part of the skin: faces (n, 3) and the vertices (m,) that they use."""

    faces: NDArray[np.int32]
    vertices: NDArray[np.int32]


class HandSkin:
    """The skin of a model's mean hand, by the bones and sides that its faces belong to."""

    def __init__(self, model: HandModel) -> None:
        self.model = model
        self.vertices, self.joints, self.tips = model.shaped(np.zeros(model.asset.shapes.shape[1]), 1.0)
        self.faces = model.asset.faces
        self.bones = model.asset.weights[self.faces].sum(axis=1).argmax(axis=1)  # (F,)
        corners = self.vertices[self.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        facing = np.einsum("fx,fx->f", normals, _pad_directions(model)[self.bones])
        facing /= np.linalg.norm(normals, axis=1) + 1e-12
        along = np.einsum("fx,fx->f", corners.mean(axis=1) - self.joints[self.bones], model.directions[self.bones])
        pad_from = np.full(BONES, -np.inf)
        pad_from[LAST_BONES] = _PAD_FROM * np.linalg.norm(self.tips - self.joints[LAST_BONES], axis=1)
        beyond = along > pad_from[self.bones]
        self._patches: dict[tuple[str, tuple[int, ...]], Patch] = {}
        self.sides = {"pad": (facing > _FACING) & beyond, "back": facing < -_FACING, "all": np.full(len(facing), True)}

    def posed(self, pose: NDArray[np.float64]) -> NDArray[np.float64]:
        """Skin (V, 3) mm of a pose (23,) degrees."""
        plain = np.ones(BONES)
        maps = pose_bones(self.model, self.joints, self.tips, pose, plain, plain).maps
        return np.asarray(skin(self.vertices, *self.model.skinning, maps))

    def patch(self, side: str, bones: tuple[int, ...]) -> Patch:
        """One side of these bones."""
        if (side, bones) not in self._patches:
            faces = self.faces[self.sides[side] & np.isin(self.bones, bones)]
            self._patches[side, bones] = Patch(faces, np.unique(faces))
        return self._patches[side, bones]

    def gaps(self, points: NDArray[np.float64], contact: Contact) -> list[float]:
        """Signed gaps mm, at most `REACH_MM`, between the places of a posed skin (V, 3) that should touch."""
        return [signed_gap(points, self.patch(*first), self.patch(*second)) for first, second in contact.touches]

    def spread(self, points: NDArray[np.float64], contact: Contact) -> float:
        """Mean distance mm between the middles of the places that should touch."""
        middles = [[points[self.patch(*place).vertices].mean(axis=0) for place in touch] for touch in contact.touches]
        return float(np.linalg.norm(np.subtract(*np.swapaxes(middles, 0, 1)), axis=1).mean())

    def overlap(self, points: NDArray[np.float64]) -> float:
        """Deepest interpenetration mm, ≥ 0, of thumb and fingers, or of a tip and the palm, on a posed skin (V, 3)."""
        pairs = [(_BONES["thumb"], _BONES[finger]) for finger in FINGERS[1:]] + [((4,), PALM)]
        return self._deepest(points, pairs + [((tip,), (*PALM, 2)) for tip in LAST_BONES[1:].tolist()])

    def pressed(self, points: NDArray[np.float64]) -> float:
        """Deepest interpenetration mm, ≥ 0, of the outer phalanges of neighbouring fingers."""
        return self._deepest(points, [(_BONES[a][1:], _BONES[b][1:]) for a, b in pairwise(FINGERS[1:])])

    def _deepest(self, points: NDArray[np.float64], pairs: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> float:
        gaps = [signed_gap(points, self.patch("all", a), self.patch("all", b)) for a, b in pairs]
        return max(0.0, -min(gaps))


def search(
    skins: list[HandSkin], start: NDArray[np.float64], contact: Contact, tries: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Pose (23,) degrees near `start` that touches as it should on all of these hands: random steps of adapted size."""
    free = np.flatnonzero([name.startswith(contact.free) for name in POSE])
    pose, step = start.copy(), _FIRST_STEP
    best = _misfit(skins, pose, start, contact)
    for _ in range(tries):
        trial = pose.copy()
        trial[free] += step * rng.normal(size=len(free)) * (rng.random(len(free)) < 0.5)
        trial = np.clip(trial, POSE_MIN, POSE_MAX)
        misfit = _misfit(skins, trial, start, contact)
        if misfit < best:
            pose, best, step = trial, misfit, min(step * 1.5, 20.0)
        else:
            step = max(step * 0.96, 0.5)
    return pose


_FIRST_STEP = 8.0  # degrees
_ENOUGH_MM = (0.3, 0.8)  # gaps and overlaps smaller than this are as good as none


def _misfit(skins: list[HandSkin], pose: NDArray[np.float64], start: NDArray[np.float64], contact: Contact) -> float:
    """Sum of squares (mm²) of gaps and overlaps on all hands, and a little for places and angles that are far off."""
    total = 0.15 * float(np.square((pose - start) / 15.0).sum())
    for hand in skins:
        points = hand.posed(pose)
        spread = hand.spread(points, contact)
        gaps = hand.gaps(points, contact)
        total += sum(max(0.0, gap - _ENOUGH_MM[0]) ** 2 for gap in gaps) + 0.03 * spread
        total += max(0.0, max(hand.overlap(points), -min(gaps)) - _ENOUGH_MM[1]) ** 2
        if max(gaps) >= REACH_MM:
            total += 0.002 * spread**2
    return total


def _pad_directions(model: HandModel) -> NDArray[np.float64]:
    """(21, 3) which way the pad of every bone looks at rest."""
    directions = np.tile(model.palmar, (BONES, 1))
    for bone in THUMB:
        directions[bone] = unit(np.cross(model.axes[THUMB[1], 0], model.directions[bone]))
    for first in (6, 10, 14, 18):
        for bone in range(first, first + 3):
            directions[bone] = unit(np.cross(model.axes[first, 1], model.directions[bone]))
    return directions


def signed_gap(points: NDArray[np.float64], first: Patch, second: Patch) -> float:
    """Gap mm between two patches of a skin (V, 3): negative is how deep one is in the other."""
    return float(
        min(
            signed_distances(points[a.vertices], points[b.faces], REACH_MM).min()
            for a, b in ((first, second), (second, first))
        )
    )
