"""Scores for a person to read, and as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence

from knuckle.evaluation.score import THRESHOLDS_MM, Score

_SHOWN_MM = (20, 40)


def comparison(scores: Mapping[str, Score]) -> str:
    """A line a file, the best mean first."""
    subjects = list(dict.fromkeys(name for score in scores.values() for name in score.per_subject))
    head = ["", "3D mm", "95 % interval", "2D mm", "median", *(f"≤{mm} mm" for mm in _SHOWN_MM), "area"]
    rows = [[*head, *subjects, "frames"]]
    for name, score in ranked(scores):
        rows.append(
            [
                name,
                f"{score.mean_3d:.3f}",
                f"{score.interval_3d[0]:.2f} to {score.interval_3d[1]:.2f}",
                f"{score.mean_2d:.3f}",
                f"{score.median_3d:.2f}",
                *(f"{100 * score.within[mm]:.1f} %" for mm in _SHOWN_MM),
                f"{score.area:.3f}",
                *(length(score.per_subject.get(subject)) for subject in subjects),
                f"{score.frames - score.missing:,} of {score.frames:,}",
            ]
        )
    return aligned(rows)


def joint_table(scores: Mapping[str, Score]) -> str:
    """Mean error of every joint and finger, a column a file."""
    columns = list(scores.values())
    rows = [["mm", *scores]]
    for what in ("per_joint", "per_finger"):
        for name in getattr(columns[0], what):
            shown = f"{name}, all" if what == "per_finger" else name
            rows.append([shown, *(f"{getattr(score, what)[name]:.2f}" for score in columns)])
    return aligned(rows)


def ranked(scores: Mapping[str, Score]) -> list[tuple[str, Score]]:
    """Files by their mean error, the best first."""
    return sorted(scores.items(), key=lambda item: item[1].mean_3d)


def length(value: float | None) -> str:
    """Millimetres, or a dash."""
    return "–" if value is None else f"{value:.2f}"


def as_csv(scores: Mapping[str, Score]) -> str:
    """One number a line: file, measure, of what (joint, finger, person, threshold in mm), value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "measure", "of", "value"])
    for name, score in scores.items():
        for measure, value in score.as_json().items():
            if isinstance(value, dict):
                writer.writerows([name, measure, of, "" if one is None else one] for of, one in value.items())
            elif isinstance(value, list):
                writer.writerows([name, measure, of, one] for of, one in zip(("low", "high"), value, strict=True))
            else:
                writer.writerow([name, measure, "", value])
    return text.getvalue()


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Cells in columns; the first one to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


assert max(_SHOWN_MM) <= THRESHOLDS_MM[-1]
