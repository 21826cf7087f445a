"""Is a restored part map better than the prediction? Its parts' barycentres against the known joints ([N] §3.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import FINGERS, HAND21, LABELS
from knuckle.errors import SettingsError


@dataclass(frozen=True)
class Region:
    """What stands for a joint in a part map: the pixels of `labels`, or with `border` those where two labels meet."""

    joint: int
    labels: tuple[int, ...]
    border: bool = False


def _regions() -> tuple[Region, ...]:
    def label(name: str) -> int:
        return LABELS.index(name)

    regions = []
    for finger in FINGERS:
        regions.append(Region(HAND21.index(f"{finger}_tip"), (label(f"{finger}_tip"),)))
    regions.append(Region(HAND21.index("thumb_ip"), (label("thumb_proximal"), label("thumb_distal")), border=True))
    for finger in FINGERS[1:]:
        pair = (label(f"{finger}_proximal"), label(f"{finger}_middle"))
        regions.append(Region(HAND21.index(f"{finger}_pip"), pair, border=True))
        regions.append(Region(HAND21.index(f"{finger}_mcp"), (label("palm"), label(f"{finger}_proximal")), border=True))
    return tuple(regions)


REGIONS = _regions()
"""Tips are their own part; a joint between two parts is where they meet. Wrist, cmc, dip and the thumb's mcp are left
out: no part or border is centred on them."""


def barycentres(
    parts: NDArray[np.uint8], points: NDArray[np.float64], regions: tuple[Region, ...] = REGIONS
) -> NDArray[np.float64]:
    """Mean point (N, R, D) of every region in part maps (N, H, W), NaN where the map has no pixel of it.

    points (N, H, W, D): where each pixel's surface is: D = 2 for the cube's plane as in [N], 3 for space.
    Raises `SettingsError` if the shapes do not fit.
    """
    if parts.shape != points.shape[:3]:
        raise SettingsError(f"points of {points.shape[:3]} pixels do not fit part maps of {parts.shape}")
    centres = np.full((len(parts), len(regions), points.shape[3]), np.nan)
    for r, region in enumerate(regions):
        mask = _region_mask(parts, region)
        count = mask.sum(axis=(1, 2))
        total = np.einsum("nhw,nhwd->nd", mask, points)
        centres[count > 0, r] = total[count > 0] / count[count > 0, None]
    return centres


def accept(
    predicted: NDArray[np.uint8],
    restored: NDArray[np.uint8],
    points: NDArray[np.float64],
    joints: NDArray[np.float64],
    regions: tuple[Region, ...] = REGIONS,
) -> NDArray[np.bool_]:
    """(N,) whether each restored map (N, H, W) has its barycentres closer to the joints than the predicted one.

    points (N, H, W, D) and joints (N, 21, D) in the same units and axes. Summed over the joints whose region is in both
    maps: [N] is silent about absent parts, and a penalty for them judged worse in a trial. Joints that are NaN are left
    out too. Without any joint to judge by, a map is not accepted.
    """
    truth = joints[:, [region.joint for region in regions]]
    before, after = (
        np.linalg.norm(barycentres(maps, points, regions) - truth, axis=2) for maps in (predicted, restored)
    )
    both = np.isfinite(before) & np.isfinite(after)
    return np.where(both, after, 0).sum(axis=1) < np.where(both, before, 0).sum(axis=1)


def _region_mask(parts: NDArray[np.uint8], region: Region) -> NDArray[np.bool_]:
    if not region.border:
        return np.isin(parts, region.labels)
    one, other = (parts == label for label in region.labels)
    return (one & _beside(other)) | (other & _beside(one))


def _beside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N, H, W) pixels with one of their four neighbours in the mask."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    return padded[:, :-2, 1:-1] | padded[:, 2:, 1:-1] | padded[:, 1:-1, :-2] | padded[:, 1:-1, 2:]
