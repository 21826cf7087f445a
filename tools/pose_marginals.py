"""Draws how often the pose prior takes each angle, beside the ranges that people were measured to have.

    python tools/pose_marginals.py     # writes docs/pose_marginals.png and prints the table of docs/pose.md

Needs matplotlib.
"""

from pathlib import Path

import matplotlib
import numpy as np

from knuckle.anatomy import FINGERS, POSE, POSE_MAX, POSE_MIN
from knuckle.synth.prior import DEFAULT_MIX, sample_pose

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COUNT = 20_000
NORMS = {  # joint → (least, most) degrees: active range of motion; docs/pose.md names the sources
    "wrist_flexion": (-70, 80),
    "wrist_deviation": (-20, 30),
    "thumb_mcp": (-10, 55),
    "thumb_ip": (-15, 80),
    **{f"{finger}_mcp": (-45, 90) for finger in FINGERS[1:]},
    **{f"{finger}_pip": (0, 100) for finger in FINGERS[1:]},
    **{f"{finger}_dip": (0, 80) for finger in FINGERS[1:]},
}
USED = {  # joint → (least, most) degrees in 90 % of daily activities (Bain et al. 2015)
    **{f"{finger}_mcp": (19, 71) for finger in FINGERS[1:]},
    **{f"{finger}_pip": (23, 87) for finger in FINGERS[1:]},
    **{f"{finger}_dip": (10, 64) for finger in FINGERS[1:]},
}
_ROWS, _COLUMNS = 6, 4
_PLACES = [
    0,
    1,
    4,
    5,
    6,
    2,
    3,
    *range(8, 24),
]  # wrist and the thumb's mcp and ip in the first row, its base in the next


def main() -> None:
    rng = np.random.default_rng(0)
    poses = np.stack([sample_pose(DEFAULT_MIX, rng) for _ in range(COUNT)])  # (N, 23) degrees
    figure, axes = plt.subplots(_ROWS, _COLUMNS, figsize=(14, 15), constrained_layout=True)
    for unused in axes.flat:
        unused.set_axis_off()
    print("| angle | limits | 5 % | median | 95 % | at a limit | norm | daily use |\n|---|---|---|---|---|---|---|---|")
    for angle, name in enumerate(POSE):
        draw(axes.flat[_PLACES[angle]], name, poses[:, angle], POSE_MIN[angle], POSE_MAX[angle])
        print(row(name, poses[:, angle], POSE_MIN[angle], POSE_MAX[angle]))
    figure.suptitle(
        f"{COUNT:,} poses of the prior, degrees. Black: limits. Green: range of motion in the literature. "
        "Orange: range used in daily life."
    )
    figure.savefig(Path(__file__).resolve().parents[1] / "docs" / "pose_marginals.png", dpi=70)


def draw(axis: plt.Axes, name: str, angles: np.ndarray, least: float, most: float) -> None:
    axis.set_axis_on()
    axis.hist(angles, bins=np.arange(-90, 121, 3), color="0.6")
    for limit in (least, most):
        axis.axvline(limit, color="black", linewidth=1.2)
    top = axis.get_ylim()[1]
    for ranges, color, height in ((NORMS, "tab:green", 1.04), (USED, "tab:orange", 1.10)):
        if name in ranges:
            axis.plot(ranges[name], [height * top] * 2, color=color, linewidth=4, solid_capstyle="butt")
    axis.set(title=name.replace("_", " "), yticks=[], xlim=(-80, 120), xticks=range(-60, 121, 30))


def row(name: str, angles: np.ndarray, least: float, most: float) -> str:
    low, middle, high = np.percentile(angles, [5, 50, 95])
    edge = np.mean((angles <= least) | (angles >= most))
    norm, used = (f"{a[name][0]} to {a[name][1]}" if name in a else "–" for a in (NORMS, USED))
    limits = f"{least:.0f} to {most:.0f}"
    return (
        f"| {name} | {limits} | {round(low)} | {round(middle)} | {round(high)} | {100 * edge:.0f} % | {norm} | {used} |"
    )


if __name__ == "__main__":
    main()
