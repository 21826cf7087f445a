"""Depth sensors, at their own resolution: what each makes of a rendered depth image.

Each model is a file of its own; docs/sensors.md compares them with real frames. Labels travel with the surface that
each pixel measured.
"""

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.errors import SettingsError
from knuckle.synth.coded_light import see_coded_light
from knuckle.synth.structured_light import see_structured_light
from knuckle.synth.time_of_flight import see_time_of_flight

SENSORS = ("clean", "structured-light", "time-of-flight", "coded-light")
"""The sensors that are simulated; the index of one is the kind that `measure_kind` takes."""


def measure(
    depth: NDArray, labels: NDArray[np.uint8], fx: float, sensor: str, strength: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """What a sensor makes of a rendered depth image.

    depth (H, W) mm, inf = nothing; labels (H, W) uint8; fx px; sensor one of `SENSORS`; strength scales the noise (1 =
    the real sensor's). Returns measured depth (H, W) float32 mm, 0 = no measurement, and the label (H, W) of what each
    pixel measured. Raises `SettingsError` for an unknown sensor.
    """
    if sensor not in SENSORS:
        raise SettingsError(f"there is no sensor {sensor!r}: choose one of {', '.join(SENSORS)}")
    depth = np.asarray(depth, dtype=np.result_type(depth, np.float32))  # whole millimetres hold no "nothing"
    return measure_kind(depth, labels, fx, SENSORS.index(sensor), strength, rng)


@njit(nogil=True)  # a live page goes on while the next frame is made
def measure_kind(
    depth: NDArray, labels: NDArray[np.uint8], fx: float, kind: int, strength: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """`measure` for compiled callers: kind is the index of the sensor in `SENSORS`, and is not checked."""
    if kind == 1:
        return see_structured_light(depth, labels, fx, strength, rng)
    if kind == 2:
        return see_time_of_flight(depth, labels, fx, strength, rng)
    if kind == 3:
        return see_coded_light(depth, labels, fx, strength, rng)
    return _see_clean(depth, labels)


@njit()
def _see_clean(depth: NDArray, labels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    measured = np.zeros(depth.shape, dtype=np.float32)
    carried = np.zeros(depth.shape, dtype=np.uint8)
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            if np.isfinite(depth[y, x]):
                measured[y, x], carried[y, x] = depth[y, x], labels[y, x]
    return measured, carried
