"""The networks, fine-tuned on a few hundred frames of another sensor whose joints are known, and judged on others.

Step 2 of [N] for a user: maps of f_s, cleaned, are taken as labels where their barycentres come closer to the joints
than those of the maps as they were; then the regressor learns the joints themselves. Rendered hands make up the rest of
every batch, so that nothing is forgotten. What is not better on held-out frames is not written.
"""

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.data.memory import TrainingData
from knuckle.data.shards import package_version
from knuckle.errors import AdaptError, SettingsError
from knuckle.files import reason_of, require_writable
from knuckle.lock import only_writer
from knuckle.metrics import joint_errors
from knuckle.networks import write_sums
from knuckle.pipeline.run import Progress
from knuckle.pipeline.tuning import AdaptSettings, Pair
from knuckle.pipeline.verdict import Verdict, judge_frames
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate

FEWEST = 40
"""Frames, below which neither training nor judging them means anything."""

_FAR_MM = 50.0  # between what networks and annotators call a joint, in the mean: no habits differ that much
_SYNTHETIC_SEED = 3_000_000  # plus the settings' seed


def adapt(
    frames: TrainingData,
    weights: Path,
    out: Path,
    settings: AdaptSettings | None = None,
    progress: Progress = lambda name, done, total, loss: None,
) -> Verdict:
    """Fine-tunes the networks of a folder on frames in the order of their time; writes them if that made them better.

    out: a new folder for segmentation.onnx, regression.onnx, SHA256SUMS and adapted.json; it appears whole or not at
    all. Raises `SettingsError` if it is there or cannot be made, or there are fewer than 40 frames, `WeightsError` if
    the weights are of another size than the shipped ones, `AdaptError` if the joints cannot be these frames', or the
    networks did not become better: then nothing is written.
    """
    with only_writer(out):
        return _adapt(frames, weights, out, settings or AdaptSettings(), progress)


def _adapt(frames: TrainingData, weights: Path, out: Path, settings: AdaptSettings, progress: Progress) -> Verdict:
    if out.exists():
        raise SettingsError(f"{out}: is there already: choose another folder")
    require_writable(out)
    if len(frames) < FEWEST:
        raise SettingsError(f"{len(frames)} frames with all 21 joints are too few: at least {FEWEST} are needed")
    train, held_out = split(frames, settings.held_out)
    pair = Pair.load(weights)
    before = errors_of(pair.place(held_out), held_out)
    if before.mean() > _FAR_MM:
        raise AdaptError(
            f"the joints lie {before.mean():.0f} mm from where the networks see them: are they of these frames, in mm, "
            "with x right, y down, z forward, and in the columns of their names?"
        )
    with tempfile.TemporaryDirectory(prefix="knuckle-") as name:
        folder = Path(name)
        synthetic = rendered(folder, settings, progress)
        gated = pair.tune_parts(train, synthetic, settings, folder, progress)
        pair.tune_joints(train, synthetic, settings, folder, progress)
    still = np.broadcast_to(np.median(train.joints, axis=0), held_out.joints.shape)
    after = errors_of(pair.place(held_out), held_out)
    verdict = judge_frames(before, after, errors_of(still, held_out), settings.seed)
    _require_better(verdict)
    _write(pair, out, {"trained_on": len(train), "gated": gated, **asdict(verdict), "settings": asdict(settings)})
    return verdict


def split(frames: TrainingData, held_out: float) -> tuple[TrainingData, TrainingData]:
    """Frames that train, and the last ones in time, which judge: neighbours are near copies, so none are mixed."""
    at = len(frames) - max(1, round(len(frames) * held_out))
    return frames[:at], frames[at:]


def errors_of(places: NDArray[np.float32], frames: TrainingData) -> NDArray[np.float64]:
    """(N, 21) mm, of joints (N, 21, 3) in crop coordinates."""
    return joint_errors(frames.to_mm(places), frames.joints_mm())


def rendered(folder: Path, settings: AdaptSettings, progress: Progress) -> TrainingData:
    """Hands of both models with all sensors and clutter."""
    stores = []
    for number, hand in enumerate(("makehuman", "soma")):
        stores.append(str(folder / f"{hand}.zarr"))
        seed = _SYNTHETIC_SEED + 2 * settings.seed + number
        generate(stores[-1], SynthSettings(hand=hand), settings.synthetic, seed, workers=settings.threads)
        progress("rendered hands", number + 1, 2, float("nan"))
    return TrainingData.load(*stores)


def _require_better(verdict: Verdict) -> None:
    if not verdict.has_looked:
        raise AdaptError(
            f"no better than one pose for all frames ({verdict.still_mm:.1f} mm): {verdict.in_words()}; nothing was "
            "written: are the joints those of their frames, and does the hand move?"
        )
    if not verdict.is_better:
        raise AdaptError(f"no better: {verdict.in_words()}; nothing was written")


def _write(pair: Pair, out: Path, report: dict[str, Any]) -> None:
    """The new folder, under a temporary name beside it that is renamed."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        pair.write(partial)
        write_sums(partial)
        text = json.dumps({"knuckle": package_version(), **report}, indent=1) + "\n"
        (partial / "adapted.json").write_text(text, encoding="utf-8")
        partial.rename(out)
    except OSError as fault:
        raise SettingsError(f"{out}: cannot write ({reason_of(fault)})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
