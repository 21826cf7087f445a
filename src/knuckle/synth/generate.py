"""Synthetic samples from their settings, seed and indices."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knuckle.crop import CUBE_MM, SIZE
from knuckle.data.sample import SIDES, Sample
from knuckle.errors import SettingsError
from knuckle.synth.hands import HandModel
from knuckle.synth.rig import rig_of
from knuckle.synth.sample import MIXED, Order, Row, try_sample
from knuckle.synth.sensor import SENSORS


@dataclass(frozen=True)
class SynthSettings:
    """What is rendered. Each default is the training set of the shipped networks.

    hand: see `HandModel.load`; sensor: one of `sensor.SENSORS` or "mixed" (a tenth clean, the rest in equal shares);
    clutter: objects in the cube; coarse_share: share of crops with a first, coarse centre instead of a refined one;
    empty_share: share of crops that show clutter and no hand (their joints are NaN); side: "right" or "left";
    mix: shares of the three kinds of poses, see `prior.sample_pose`; any_view_share: share of views from any direction,
    the rest are about an upright hand.
    """

    hand: str = "makehuman"
    sensor: str = "mixed"
    clutter: bool = True
    coarse_share: float = 0.2
    empty_share: float = 0.03
    side: str = "right"
    mix: tuple[float, float, float] = (0.35, 0.25, 0.40)
    any_view_share: float = 0.3

    def __post_init__(self) -> None:
        _one_of("sensor", self.sensor, (*SENSORS, "mixed"))
        _one_of("side", self.side, SIDES)
        for name in ("coarse_share", "empty_share", "any_view_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} must be a share from 0 to 1, got {getattr(self, name)!r}")
        object.__setattr__(self, "mix", tuple(self.mix))  # a recipe read from a file holds a list
        if len(self.mix) != 3 or not all(share >= 0 for share in self.mix) or abs(sum(self.mix) - 1) > 1e-6:
            raise SettingsError(f"mix must be three shares that add up to 1, got {self.mix!r}")

    def order(self) -> Order:
        """The same in numbers, for compiled functions."""
        return Order(
            sensor=MIXED if self.sensor == "mixed" else SENSORS.index(self.sensor),
            clutter=self.clutter,
            coarse_share=float(self.coarse_share),
            empty_share=float(self.empty_share),
            left=self.side == "left",
            mix=np.array(self.mix, dtype=np.float64),
            any_view_share=float(self.any_view_share),
        )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"there is no {name} {value!r}: choose one of {', '.join(known)}")


def generate_samples(
    model: HandModel, settings: SynthSettings, seed: int, indices: Iterable[int]
) -> dict[str, NDArray]:
    """Samples `indices` of the set `seed`, stacked: one array (N, ...) for each field of `Sample`.

    Each depends on the seed, its index and the settings alone.
    """
    seeds = np.array([(seed, index) for index in indices], dtype=np.int64).reshape(-1, 2)
    count = len(seeds)
    row = Row(
        depth=np.empty((count, SIZE, SIZE), dtype=np.float32),
        parts=np.empty((count, SIZE, SIZE), dtype=np.uint8),
        joints=np.empty((count, 21, 3), dtype=np.float32),
        joints14=np.empty((count, 14, 3), dtype=np.float32),
        center=np.empty((count, 3), dtype=np.float32),
        camera=np.empty((count, 6), dtype=np.float32),
    )
    rig, order = rig_of(model), settings.order()
    for i, origin in enumerate(seeds.tolist()):
        rng, into = np.random.default_rng(origin), Row(*(array[i] for array in row))
        while not try_sample(rig, order, rng, into):
            pass
    return {
        **row._asdict(),
        "cube_mm": np.full(count, CUBE_MM, dtype=np.float32),
        "side": np.full(count, SIDES.index(settings.side), dtype=np.uint8),
        "seed": seeds,
    }


def generate_sample(model: HandModel, settings: SynthSettings, seed: int, index: int) -> Sample:
    """Sample `index` of the set `seed`: depends on these two and the settings alone."""
    return Sample(**{name: array[0] for name, array in generate_samples(model, settings, seed, [index]).items()})
