"""The z-buffer against Embree, which shoots a ray through each pixel's centre, on random hands as they are sampled."""

import numpy as np
import pytest
from numpy.typing import NDArray

from knuckle.synth.cropping import cube_window
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import DEFAULT_MIX
from knuckle.synth.render import NOTHING, rasterize
from knuckle.synth.rig import Rig, rig_of
from knuckle.synth.shape import sample_hand
from knuckle.synth.view import Lens, sample_lens

scenes, meshes = (pytest.importorskip(f"embreex.{name}") for name in ("rtcore_scene", "mesh_construction"))

HANDS = 100  # of each model
DEPTH_MM = 0.1


def random_hand(rig: Rig, seed: int) -> tuple[NDArray, Lens]:
    """Skin (V, 3) mm of a random hand, left or right, and the lens of the window that holds it."""
    rng = np.random.default_rng([31, seed])
    lens, position = sample_lens(rng)
    hand = sample_hand(rig, bool(seed % 2), DEFAULT_MIX, 0.3, position, rng)
    return hand.points, cube_window(lens, position, 6)


def by_rays(points: NDArray, faces: NDArray, lens: Lens) -> tuple[NDArray, NDArray]:
    """Depth (H, W) mm and face (H, W) that Embree sees; a ray's z is 1, so that distance along it is depth."""
    v, u = np.mgrid[: lens.height, : lens.width]
    rays = np.stack([(u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy, np.ones(u.shape)], axis=-1)
    rays = rays.reshape(-1, 3).astype(np.float32)
    scene = scenes.EmbreeScene(robust=True)
    meshes.TriangleMesh(scene, points.astype(np.float32), faces)
    hits = scene.run(np.zeros_like(rays), rays, query="INTERSECT", output=True)
    face = hits["primID"].reshape(u.shape)
    return np.where(face >= 0, hits["tfar"].reshape(u.shape), NOTHING), face


def test_rasterize_equals_embree(model: HandModel) -> None:
    """Only pixels that show a hand in either picture count. They differ where, by the rounding of Embree's float32, an
    edge shared by two faces or the outline runs on the other side of a pixel's centre."""
    rig = rig_of(model)
    pixels = depth_apart = face_apart = 0
    for seed in range(HANDS):
        points, lens = random_hand(rig, seed)
        depth = np.full((lens.height, lens.width), np.float32(NOTHING))
        face = np.full(depth.shape, -1, dtype=np.int32)
        rasterize(points, rig.faces, lens.fx, lens.fy, lens.cx, lens.cy, depth, face)
        plain, plain_face = by_rays(points, rig.faces, lens)
        shown = (face >= 0) | (plain_face >= 0)
        pixels += int(shown.sum())
        near = np.isfinite(depth[shown]) & np.isfinite(plain[shown])
        apart = np.abs(np.where(near, depth[shown] - plain[shown], np.inf))
        depth_apart += int((apart > DEPTH_MM).sum())
        face_apart += int((face[shown] != plain_face[shown]).sum())
    assert pixels > 2000 * HANDS
    assert depth_apart <= 0.001 * pixels, f"{depth_apart} of {pixels} pixels"
    assert face_apart <= 0.001 * pixels, f"{face_apart} of {pixels} pixels"
