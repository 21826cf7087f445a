"""A page of results: methods recomputed from their predictions, beside what [N] reports, persons apart."""

from collections.abc import Mapping
from pathlib import Path

from knuckle.evaluation.score import Score, block_length
from knuckle.evaluation.table import length, ranked
from knuckle.evaluation.truth import Truth

PAPER_ROWS = {
    "Neverova et al., direct regression (a)": (17.3, 13.3),
    "Neverova et al., cascade (b)": (16.9, 12.6),
    "Neverova et al., parts from synthetic hands (c)": (16.5, 12.1),
    "Neverova et al., semi- and weakly supervised (d)": (14.8, 11.2),
}
"""[N] Table 4: 3D and 2D error, mm. Its predictions are not published, so nothing of it can be recomputed."""

_PERSONS = {"nyu": "A is the person of the training frames; B has a hand a sixth smaller, and is in none of them."}
"""What is known of a dataset's people."""


def results_page(scores: Mapping[str, Score], truth: Truth, command: str, figure: str) -> str:
    """Markdown. command: that makes the page; figure: name of the chart's file beside it."""
    scores = by_method(scores)
    title = truth.protocol.title
    persons = [person.name for person in truth.subjects]
    frames = ", ".join(f"{person.name} {person.stop - person.start:,}" for person in truth.subjects)
    some = next(iter(scores.values()))
    parts = [
        f"# Published methods on {title}, recomputed",
        f"Made by\n\n    {command}\n\nfrom the predictions that their authors, or others for them, published: "
        f"{some.frames:,} frames, {len(truth.protocol.joints)} joints"
        + (f" ({frames} frames a person)." if frames else "."),
        _table(scores, persons),
        "3D and 2D: mean distance in mm over joints and frames; 2D leaves out z, and is millimetres too. "
        f"Interval: 95 % of the 3D mean by a bootstrap of blocks of {block_length(some.frames - some.missing)} frames, "
        "which are neighbours in the video. "
        "≤ 20, ≤ 40 mm: frames whose worst joint is that near. Area: under that curve from 0 to 80 mm, 1 at most.",
    ]
    given = _given(scores)
    if given:
        parts.append(given)
    if len(persons) > 1:
        parts.append(_persons(scores, persons, truth.protocol.name))
    if truth.protocol.name == "nyu":
        parts.append(_paper())
    parts.append(f"![Share of frames whose worst joint is within a distance]({figure})")
    return "\n\n".join(parts) + "\n"


def method_name(path: str | Path) -> str:
    """A file's name without its endings."""
    name = Path(path).name
    for ending in (".gz", ".txt"):
        name = name.removesuffix(ending)
    return name


def by_method(scores: Mapping[str, Score]) -> dict[str, Score]:
    """Scores by the names of methods; by those of files, as they are, where two methods would have one name."""
    names = [method_name(name) for name in scores]
    return dict(zip(names if len(set(names)) == len(names) else scores, scores.values(), strict=True))


def _table(scores: Mapping[str, Score], persons: list[str]) -> str:
    head = ["method", "3D", "95 % interval", "2D", *(f"3D, {name}" for name in persons), "≤ 20 mm", "≤ 40 mm", "area"]
    lines = [_row(head), _row([":--", *["--:"] * (len(head) - 1)])]
    for name, score in ranked(scores):
        low, high = score.interval_3d
        lines.append(
            _row(
                [
                    name + (f" ({score.missing:,} of {score.frames:,} missing)" if score.missing else ""),
                    f"{score.mean_3d:.2f}",
                    f"{low:.2f} – {high:.2f}",
                    f"{score.mean_2d:.2f}",
                    *(length(score.per_subject.get(person)) for person in persons),
                    *(f"{100 * score.within[mm]:.1f} %" for mm in (20, 40)),
                    f"{score.area:.3f}",
                ]
            )
        )
    return "\n".join(lines)


def _persons(scores: Mapping[str, Score], persons: list[str], protocol: str) -> str:
    first, last = persons[0], persons[-1]
    lines = [_row(["method", f"{first}, mm", f"{last}, mm", f"{last} / {first}"]), _row([":--", "--:", "--:", "--:"])]
    for name, score in ranked(scores):
        here, there = score.per_subject.get(first), score.per_subject.get(last)
        ratio = "–" if here is None or there is None else f"{there / here:.2f}"
        lines.append(_row([name, length(here), length(there), ratio]))
    return (
        f"## Persons apart\n\nOne mean over all frames hides what a user meets: a hand that the method has not seen. "
        f"{_PERSONS.get(protocol, '')}\n\n" + "\n".join(lines)
    )


def _given(scores: Mapping[str, Score]) -> str:
    """A warning about methods that must have been told a joint: it is off by less than a tenth of their mean."""
    found = [
        f"{name} ({joint.replace('_', ' ')}: {error:.2f} mm)"
        for name, score in ranked(scores)
        for joint, error in score.per_joint.items()
        if error < score.mean_3d / 10
    ]
    if not found:
        return ""
    return (
        f"**Not quite comparable: {', '.join(found)}.** A joint that is placed so much better than all others was "
        "probably given, as the annotated centre of the hand; that flatters the mean."
    )


def _paper() -> str:
    lines = [_row(["as reported in [N] Table 4, not recomputed", "3D", "2D"]), _row([":--", "--:", "--:"])]
    lines += [_row([name, f"{error_3d:.1f}", f"{error_2d:.1f}"]) for name, (error_3d, error_2d) in PAPER_ROWS.items()]
    return (
        "## Beside them, the paper\n\n" + "\n".join(lines) + "\n\n[N] is Neverova, Wolf, Nebout and Taylor, "
        '"Hand Pose Estimation through Semi-Supervised and Weakly-Supervised Learning". Nobody published its '
        "predictions."
    )


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
