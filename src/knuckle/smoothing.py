"""The One-Euro filter: calm where a joint rests, quick where it moves (Casiez, Roussel and Vogel, CHI 2012)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import SettingsError


@dataclass(frozen=True)
class OneEuroSettings:
    """Cutoff frequency of a joint at rest, Hz; how much it rises with speed, Hz per mm/s; cutoff of the speed, Hz.

    The defaults were chosen on a rendered hand that moves, for a third of the jitter at half a millimetre's lag
    (`docs/live.md`). Raises `SettingsError` for values that no
    filter has.
    """

    cutoff_hz: float = 1.5
    rise: float = 0.02
    speed_cutoff_hz: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("cutoff_hz", 1e-3), ("rise", 0.0), ("speed_cutoff_hz", 1e-3)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= least):
                raise SettingsError(f"{name} must be at least {least:g}, got {value!r}")


class OneEuroFilter:
    """Smooths points (J, 3) mm over time; all axes of a joint alike, by its speed."""

    def __init__(self, settings: OneEuroSettings | None = None) -> None:
        self.settings = settings or OneEuroSettings()
        self._last: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None  # time s, points, speed mm/s

    def __call__(self, points: NDArray, timestamp: float) -> NDArray[np.float64]:
        """The smoothed points (J, 3) at a time in seconds.

        A pause of more than a second begins anew: what was before says nothing any more. A clock that stands or goes
        backwards counts as 1/30 s.
        """
        points = np.asarray(points, dtype=np.float64)
        if self._last is None or timestamp - self._last[0] > _PAUSE:
            self._last = timestamp, points, np.zeros_like(points)
            return points
        before, smooth, speed = self._last
        step = timestamp - before if timestamp > before else _FRAME
        keep = self.settings
        speed = speed + _share(keep.speed_cutoff_hz, step) * ((points - smooth) / step - speed)
        cutoff = keep.cutoff_hz + keep.rise * np.linalg.norm(speed, axis=1, keepdims=True)  # (J, 1) Hz
        smooth = smooth + _share(cutoff, step) * (points - smooth)
        self._last = timestamp, smooth, speed
        return smooth


_PAUSE = 1.0  # s
_FRAME = 1 / 30  # s


def _share(cutoff_hz: NDArray | float, step: float) -> NDArray | float:
    """Of the new value in a low-pass of first order; step: seconds."""
    turn = 2 * math.pi * cutoff_hz * step
    return turn / (turn + 1)
