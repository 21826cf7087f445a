"""Rotation matrices, compiled: about an axis, from angles, and at random."""

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit


@njit()
def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A uniformly distributed rotation (3, 3): that of a random unit quaternion."""
    w, x, y, z = rng.standard_normal(), rng.standard_normal(), rng.standard_normal(), rng.standard_normal()
    s = 2.0 / (w * w + x * x + y * y + z * z)
    return np.array(
        [
            [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
            [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
            [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
        ]
    )


@njit()
def about_x(degrees: float) -> NDArray[np.float64]:
    """Rotation (3, 3) about the x axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


@njit()
def about_y(degrees: float) -> NDArray[np.float64]:
    """Rotation (3, 3) about the y axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


@njit()
def about_z(degrees: float) -> NDArray[np.float64]:
    """Rotation (3, 3) about the z axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


@njit()
def multiply(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix product (3, 3); without the call to BLAS, which takes longer than the product."""
    product = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            product[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]
    return product


@njit()
def apply(matrix: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix (3, 3) times vector (3,)."""
    out = np.empty(3)
    for i in range(3):
        out[i] = matrix[i, 0] * vector[0] + matrix[i, 1] * vector[1] + matrix[i, 2] * vector[2]
    return out


@njit()
def euler(pitch: float, yaw: float, roll: float) -> NDArray[np.float64]:
    """Rotation about y by yaw, then x by pitch, then z by roll (degrees)."""
    return multiply(about_z(roll), multiply(about_x(pitch), about_y(yaw)))


@njit()
def tilted(least: float, most: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation whose third axis is tilted from the optical axis by least..most degrees, in any direction."""
    turn, spin = rng.uniform(0.0, 360.0), rng.uniform(0.0, 360.0)
    return multiply(about_z(turn), multiply(about_x(rng.uniform(least, most)), about_z(spin)))
