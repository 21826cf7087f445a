"""knuckle: the 3D pose of a hand from a single depth image.

camera = Camera.load("camera.json")
depth = read_depth("frame.png", unit_mm=camera.depth_unit_mm)
hand = HandPoseEstimator()(depth, camera)
"""

from knuckle.camera import Camera
from knuckle.depth import read_depth
from knuckle.estimator import Hand, HandPoseEstimator

__version__ = "0.1.0"

__all__ = ["Camera", "Hand", "HandPoseEstimator", "__version__", "read_depth"]
