"""A recipe in words: what the data are, how long was trained, what a row is."""

from collections.abc import Sequence
from typing import Any

from knuckle.report.runs import Regime

_NETWORKS = {"paper": "[N]'s f_r", "cascade": "cascade of two f_r", "voting": "ours, voting"}
_FILE = ".safetensors"  # of a network; anything else is the name of a row
_SEGMENTERS = {"paper": "[N]'s f_s", "paper-24": "[N]'s f_s at 24×24", "compact": "Our compact f_s"}
_LABELS = {
    "none": "synthetic hands alone",
    "predicted": "what f_s sees itself",
    "mode": "mode filter",
    "dictionary": "dictionary",
    "teacher": "teacher that knows the joints",
    "truth": "hidden truth",
}


def data_words(regime: Regime) -> str:
    """Whose frames dev and test are: to stand in every caption."""
    data = regime.recipe.get("data") or {}
    if data.get("benchmark") != "sensor-gap":
        return f"The frames are those of {data.get('test') or 'the recipe'}, not [N]'s of NYU."
    scale = data.get("scale", 1.0)
    trial = "" if scale == 1.0 else f", a trial at {scale:g} of its size"
    return f"The frames are simulated (sensor-gap benchmark{trial}), not NYU's."


def seed_words(regime: Regime) -> str:
    """How many runs the numbers are of, and so what ± means."""
    seeds = ", ".join(map(str, regime.seeds))
    if len(regime.seeds) == 1:
        return f"One run, n = 1 (seed {seeds})."
    return f"Mean ± standard deviation of n = {len(regime.seeds)} seeds ({seeds})."


def segmenter_words(regime: Regime) -> str:
    settings = regime.recipe.get("segmentation") or {}
    network = _SEGMENTERS.get(settings.get("network", ""), str(settings.get("network")))
    if settings.get("weights"):
        return f"{network}, of {settings['weights']}"
    noise = "with" if settings.get("augment") else "without"
    start = f", from {settings['start']}" if settings.get("start") else ""
    return f"{network}{start}, trained {noise} noise for {fit_words(settings.get('fit'))}"


def fit_words(fit: Any) -> str:
    """Length of a training: "2000 steps of 32"."""
    fit = fit or {}
    length = f"{fit['steps']} steps" if fit.get("steps") else f"{fit.get('epochs', 0):g} epochs"
    return f"{length} of {fit.get('batch')}"


def label_words(row: dict[str, Any]) -> str:
    """Where a row's labels come from: "dictionary, vote, 27 px, gate; 10 % real"."""
    source = row.get("labels", "")
    words = [_LABELS.get(source, source)]
    if source == "dictionary":
        words += [str(row.get("method")), f"{row.get('patch')} px"]
    if row.get("shift_mm"):
        words.append(f"joints {row['shift_mm']:g} mm off")
    if row.get("reach_mm"):
        words.append(f"not hand beyond {row['reach_mm']:g} mm of a bone")
    if row.get("gate"):
        words.append("gate")
    if row.get("augment") is not None:
        words.append("with noise" if row["augment"] else "without noise")
    if row.get("fit"):
        words.append(fit_words(row["fit"]))
    share = f"; {100 * row.get('real_share', 0):g} % real" if source != "none" else ""
    return ", ".join(words) + share


def method_words(row: dict[str, Any]) -> str:
    """What a method is: "[N]'s f_r, 24 px, one network for all joints, parts: dictionary"."""
    network = row.get("network", "")
    words = [_NETWORKS.get(network, network)]
    if network in ("paper", "cascade"):
        words += [f"{row.get('input')} px", "one network for all joints" if row.get("shared") else "one a joint"]
    parts = row.get("parts", "none")
    named = {"none": "no parts", "synthetic": "parts: f_s before step 2", "truth": "parts: hidden truth"}
    words.append(named.get(parts, f"parts: f_s {'of' if parts.endswith(_FILE) else 'after'} {parts}"))
    if row.get("fit"):
        words.append(fit_words(row["fit"]))
    return ", ".join(words)


def marked(name: str, best: str | None) -> str:
    """The name of a row, with a star on the best."""
    return f"{name} *" if name == best else name


def listed(lines: Sequence[str]) -> str:
    """(a) the first; (b) the second; ..."""
    return "; ".join(f"({letter}) {line}" for letter, line in zip("abcdefghijklmnopqrstuvwxyz", lines, strict=False))
