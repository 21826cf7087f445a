"""Did networks become better on frames that they were not trained on, beyond doubt and not by learning nonsense?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import FINGERS, HAND21

_BLOCKS = 20  # of neighbouring frames, that the interval draws from: neighbours are no two independent frames
_DRAWS = 2000
_TRIFLE = 0.02
_BLIND = 0.1  # how much better than one pose for all frames it must be, to have looked at them
_TIPS = [HAND21.index(f"{finger}_tip") for finger in FINGERS]


@dataclass(frozen=True)
class Verdict:
    """Mean errors in mm on held-out frames, and the 95 % interval of the difference of the joints', after less before.

    still_mm: of one pose for all frames, the median of those that were trained on. Where joints do not belong to their
    frames, a network can learn that pose and nothing else, and so be nearer to them than one that sees the hand.
    """

    frames: int
    before_mm: float
    after_mm: float
    low_mm: float
    high_mm: float
    tips_before_mm: float
    tips_after_mm: float
    still_mm: float

    @property
    def is_better(self) -> bool:
        """Beyond doubt: the whole interval lies below 0; and by more than a trifle: by 2 % of before in the mean."""
        return self.high_mm < 0 and self.after_mm < (1 - _TRIFLE) * self.before_mm

    @property
    def has_looked(self) -> bool:
        """Whether the error is 10 % less than that of one pose for all frames."""
        return self.after_mm < (1 - _BLIND) * self.still_mm

    def in_words(self) -> str:
        return (
            f"{self.before_mm:.1f} mm before, {self.after_mm:.1f} mm after on {self.frames} held-out frames "
            f"(difference {self.low_mm:+.1f} to {self.high_mm:+.1f} mm; fingertips {self.tips_before_mm:.1f} and "
            f"{self.tips_after_mm:.1f} mm)"
        )


def judge_frames(
    before: NDArray[np.float64], after: NDArray[np.float64], still: NDArray[np.float64], seed: int
) -> Verdict:
    """From the errors (N, 21) mm of the same held-out frames, in the order of their times.

    The interval is a bootstrap over blocks of neighbouring frames.
    """
    difference = (after - before).mean(axis=1)
    blocks = np.array_split(difference, min(_BLOCKS, len(difference)))
    drawn = np.random.default_rng(seed).integers(len(blocks), size=(_DRAWS, len(blocks)))
    sums, counts = np.array([block.sum() for block in blocks]), np.array([len(block) for block in blocks])
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])
    return Verdict(
        frames=len(before),
        before_mm=float(before.mean()),
        after_mm=float(after.mean()),
        low_mm=float(low),
        high_mm=float(high),
        tips_before_mm=float(before[:, _TIPS].mean()),
        tips_after_mm=float(after[:, _TIPS].mean()),
        still_mm=float(still.mean()),
    )
