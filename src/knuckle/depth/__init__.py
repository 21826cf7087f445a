"""Depth images: reading, checking and writing them. (H, W) float32 mm, 0 = no measurement."""

from knuckle.depth.check import check_depth
from knuckle.depth.files import read_any_depth, read_depth, write_depth
from knuckle.depth.limits import FAR_MM, MAX_PIXELS, NEAR_MM

__all__ = ["FAR_MM", "MAX_PIXELS", "NEAR_MM", "check_depth", "read_any_depth", "read_depth", "write_depth"]
