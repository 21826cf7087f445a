"""Hands in given poses, for the tests of several files."""

import numpy as np
from numpy.typing import NDArray

from knuckle.synth.assets import BONES
from knuckle.synth.hands import HandModel
from knuckle.synth.pose import PosedBones, pose_bones


class Posing:
    """Poses a model of mean shape, without stretch. vertices (V, 3), joints (21, 3), tips (5, 3): at rest, mm."""

    def __init__(self, model: HandModel) -> None:
        self.model = model
        self.vertices, self.joints, self.tips = model.shaped(np.zeros(model.asset.shapes.shape[1]), 1.0)

    def __call__(self, pose: NDArray) -> PosedBones:
        plain = np.ones(BONES)
        return pose_bones(self.model, self.joints, self.tips, pose, plain, plain)
