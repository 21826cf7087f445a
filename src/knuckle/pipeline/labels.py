"""Part labels for real frames that have none, from each source that step 2 compares; kept in the run, so made once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from knuckle.anatomy import HAND21
from knuckle.crop import surface, to_crop
from knuckle.data.memory import TrainingData
from knuckle.data.store import SampleStore
from knuckle.errors import SettingsError
from knuckle.pipeline.data import dictionary_store
from knuckle.pipeline.dictionary import build_dictionary
from knuckle.pipeline.restore import restore_store
from knuckle.pipeline.run import Progress, Run
from knuckle.pipeline.score import accuracy_of_each, part_scores
from knuckle.restoration.gate import accept
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.restore import RestoreSettings
from knuckle.restoration.vote import count_neighbours, restored
from knuckle.segmentation.bones import reached
from knuckle.segmentation.export import export_segmenter
from knuckle.segmentation.train import LabelledCrops, hand_axes, predict_parts, train_teacher
from knuckle.training.processes import processes
from knuckle.training.recipe import LabelSettings

_TEACHER = "teacher"


@dataclass(frozen=True, eq=False)
class Labels:
    """Part maps (N, 48, 48) for N real frames, those among them that are used (N,), and what became of them."""

    parts: NDArray[np.uint8]
    used: NDArray[np.bool_]
    report: dict[str, Any]


class Labeller:
    """Labels the first `frames` real frames of a run in any way; keeps what takes long in the run's folder."""

    def __init__(
        self, run: Run, segmenter: nn.Module, synthetic: TrainingData, train: TrainingData, progress: Progress
    ) -> None:
        assert run.recipe.supervision is not None
        self.run, self.recipe, self.progress = run, run.recipe.supervision, progress
        self.segmenter, self.synthetic, self.train = segmenter, synthetic, train
        self._predicted: NDArray[np.uint8] | None = None
        self._teacher: nn.Module | None = None

    @property
    def predicted(self) -> NDArray[np.uint8]:
        """What f_s sees in the real frames before step 2."""
        if self._predicted is None:
            self._predicted = predict_parts(self.segmenter, self.train.depth)
        return self._predicted

    def labels(self, row: LabelSettings) -> Labels | None:
        """The labels of a row; None for the row that goes on with synthetic hands alone.

        All processes of a training call this and teach the teacher; the main one labels.
        """
        if row.labels == "none":
            return None
        if row.labels == "teacher" and self._teacher is None:
            self._teacher = self._taught()
        return processes().once(lambda: self._labels(row))

    def _labels(self, row: LabelSettings) -> Labels:
        known = self.train.parts_known
        if row.labels == "truth" and not known:
            raise SettingsError("labels truth: nobody knows the parts of these frames: leave the row out")
        parts = self._parts(row)
        if row.reach_mm is not None:
            near = reached(self.train.depth, self._joints(row.shift_mm), self.train.cube_mm, row.reach_mm)
            parts = np.where(near, parts, 0).astype(np.uint8)
        used = self.train.has_hand
        report: dict[str, Any] = {}
        if row.gate:
            used &= self._gate(parts)
            report |= self._gate_report(parts, used) if known else {}
        if used.any() and known:
            report["labels"] = part_scores(parts[used], self.train.parts[used])
        report["accepted"] = float(used.mean())
        return Labels(parts, used, report)

    def _parts(self, row: LabelSettings) -> NDArray[np.uint8]:
        if row.labels == "predicted":
            return self.predicted
        if row.labels == "mode":
            return np.stack([restored(part_map, count_neighbours(part_map)) for part_map in self.predicted])
        if row.labels == "dictionary":
            return self._restored(row)
        if row.labels == "teacher":
            return self._told(row.shift_mm)
        return self.train.parts

    def _gate(self, parts: NDArray[np.uint8]) -> NDArray[np.bool_]:
        points = surface(self.train.depth.astype(np.float32), self.train.center, self.train.cube_mm)
        return accept(self.predicted, parts, points, self.train.joints_mm())

    def _gate_report(self, parts: NDArray[np.uint8], used: NDArray[np.bool_]) -> dict[str, float | None]:
        """How often the gate decided as the hidden truth would have: for the report alone, nothing is chosen by it."""
        before, after = (accuracy_of_each(maps, self.train.parts) for maps in (self.predicted, parts))
        better = after > before
        return {
            "gate_right": float((used == better).mean()),
            "better": float(better.mean()),
            "better_of_accepted": float(better[used].mean()) if used.any() else None,
        }

    def dictionary(self, patch: int) -> Path:
        """The file of the patches of this side, built on first use."""
        path = self.run.step("dictionary") / f"parts-{patch}.kdict"
        if not path.exists():
            counts: dict[str, int] = {}

            def tell(name: str, done: int, total: int) -> None:
                counts[name] = counts.get(name, 0) + done
                self.progress(f"dictionary {patch}: {name}", counts[name], total, float("nan"))

            build_dictionary(dictionary_store(self.run.recipe), path, patch, self.recipe.dictionary.maps, tell)
        return path

    def require_dictionary(self, patch: int) -> PatchDictionary:
        """The opened dictionary. Raises `DictionaryError` if its file was damaged."""
        return PatchDictionary.load(self.dictionary(patch))

    def weights(self) -> Path:
        """A folder with f_s as `segmentation.onnx`, for restoring processes."""
        folder = self.run.folder / "segmentation" / "onnx"
        if not (folder / "segmentation.onnx").exists():
            export_segmenter(self.segmenter, folder / "segmentation.onnx")
        return folder

    def _restored(self, row: LabelSettings) -> NDArray[np.uint8]:
        """Restorations, cached in a store of the run: those of a killed run are not made again."""
        assert self.run.recipe.data.train is not None
        out = self.run.folder / "supervision" / f"restored-{row.method}-{row.patch}.zarr"
        settings = RestoreSettings(method=row.method, window=min(17, row.patch))
        done = 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            self.progress(f"restore, {row.method} {row.patch}", done, len(self.train), float("nan"))

        restore_store(
            self.run.recipe.data.train,
            out,
            self.dictionary(row.patch),
            settings,
            self.weights(),
            workers=self.recipe.fit.threads,
            progress=tell,
            count=len(self.train),
        )
        return SampleStore.open(out).read("parts")

    def _told(self, shift_mm: float) -> NDArray[np.uint8]:
        """What the teacher, who is told the joints, sees in the real frames."""
        assert self._teacher is not None
        return predict_parts(self._teacher, self.train.depth, self._joints(shift_mm))

    def _joints(self, shift_mm: float) -> NDArray[np.float32]:
        """The joints of the real frames (N, 21, 3) in crop coordinates, each `shift_mm` off."""
        if not shift_mm:
            return self.train.joints
        moved = disturbed(self.train.joints_mm(), shift_mm, self.recipe.fit.seed)
        return to_crop(moved, self.train.center, self.train.cube_mm).astype(np.float32)

    def _taught(self) -> nn.Module:
        settings = self.recipe.teacher
        folder = self.run.step(_TEACHER)
        crops = LabelledCrops(self.synthetic.depth, self.synthetic.parts)
        weight, cube = self.run.recipe.segmentation.not_hand_weight, float(np.median(self.synthetic.cube_mm))

        def tell(step: int, steps: int, loss: float) -> None:
            self.progress("teacher", step, steps, loss)

        return train_teacher(settings, weight, crops, self.synthetic.joints, cube, folder, tell)


def disturbed(joints: NDArray[np.float64], shift_mm: float, seed: int) -> NDArray[np.float64]:
    """Joints (N, 21, 3) mm, each moved by `shift_mm` in a direction of its own, the same in every hand's own axes.

    So does another dataset's definition of the joints differ.
    """
    offsets = np.random.default_rng(seed).standard_normal((len(HAND21), 3))
    offsets *= shift_mm / np.linalg.norm(offsets, axis=1, keepdims=True)
    axes = hand_axes(torch.from_numpy(joints)).numpy()  # (N, 3, 3)
    return joints + np.einsum("nab,jb->nja", axes, offsets)
