"""Adapting to a user's frames: better networks are written whole, worse ones never, and nothing of the ONNX is lost."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from knuckle import Camera, HandPoseEstimator
from knuckle.crop import CropBox
from knuckle.data.frames import write_joints
from knuckle.data.memory import TrainingData
from knuckle.errors import AdaptError, DatasetError, SettingsError, WeightsError
from knuckle.networks import SHIPPED
from knuckle.pipeline.adapt import FEWEST, adapt, split
from knuckle.pipeline.onnx_weights import load_exported
from knuckle.pipeline.own_frames import own_frames
from knuckle.pipeline.quantise import quantise_convolutions
from knuckle.pipeline.tuning import AdaptSettings, Pair
from knuckle.pipeline.verdict import Verdict, judge_frames
from knuckle.regression.train import make_regressor
from knuckle.segmentation.export import WithProbabilities
from knuckle.segmentation.train import make_segmenter
from knuckle.sources import LiveFrame, RecordedSource, open_source
from knuckle.synth.frame import render_scene
from knuckle.synth.hands import HandModel
from knuckle.synth.sensor import measure
from knuckle.training.recipe import NetworkSettings, RegressionRecipe, SegmentationRecipe

CAMERA = Camera(fx=145.0, fy=145.0, cx=79.5, cy=59.5, width=160, height=120, depth_unit_mm=1.0)
QUICK = AdaptSettings(steps=2, batch=8, synthetic=24, threads=1)


class Renders(RecordedSource):
    """Frames of one hand that turns, and where its joints are."""

    name = "renders"

    def __init__(self, count: int) -> None:
        model, rng = HandModel.load("makehuman"), np.random.default_rng(0)
        self.depths, joints = [], []
        for index in range(count):
            angle = (5.0 * np.sin(index), 20.0 * np.sin(index / 3), 15.0 * np.cos(index / 2))
            depth, parts, placed = render_scene(model, CAMERA, "open", (0.0, 0.0, 450.0 + index), angle)
            self.depths.append(measure(depth, parts, CAMERA.fx, "time-of-flight", 0.5, rng)[0])
            joints.append(placed)
        self.joints = np.array(joints)

    def __len__(self) -> int:
        return len(self.depths)

    def timestamp(self, index: int) -> float:
        return index / 10

    def frame(self, index: int) -> LiveFrame:
        return LiveFrame(index / 10, self.depths[index], CAMERA)


@pytest.fixture(scope="module")
def renders() -> Renders:
    return Renders(FEWEST)


@pytest.fixture(scope="module")
def frames(renders: Renders, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("joints")
    write_joints(folder, [str(index) for index in range(len(renders))], renders.joints)
    found, faults = own_frames(renders, folder / "joints.csv", HandPoseEstimator(threads=1), "right", 250.0)
    assert faults == []
    return found


def test_own_frames_lead_back_to_the_joints(renders: Renders, frames: TrainingData) -> None:
    np.testing.assert_allclose(frames.joints_mm(), renders.joints, atol=0.05)
    for index in (0, 17):
        box = CropBox(frames.center[index].astype(np.float64), CAMERA)
        expected = box.crop_depth(renders.depths[index])
        np.testing.assert_allclose(frames.depth[index].astype(np.float32), expected, atol=2e-3)


def test_left_hands_are_mirrored(renders: Renders, frames: TrainingData, tmp_path: Path) -> None:
    class Mirrored(RecordedSource):
        name = "mirrored"

        def __len__(self) -> int:
            return len(renders)

        def timestamp(self, index: int) -> float:
            return index / 10

        def frame(self, index: int) -> LiveFrame:
            depth = np.ascontiguousarray(renders.depths[index][:, ::-1])
            return LiveFrame(index / 10, depth, CAMERA.mirrored())

    joints = renders.joints * [-1, 1, 1]
    write_joints(tmp_path, [str(index) for index in range(len(renders))], joints)
    found, _ = own_frames(Mirrored(), tmp_path / "joints.csv", HandPoseEstimator(threads=1), "left", 250.0)
    np.testing.assert_allclose(found.joints, frames.joints, atol=0.02)
    assert np.abs(found.depth.astype(np.float32) - frames.depth.astype(np.float32)).mean() < 0.02
    np.testing.assert_allclose(found.joints_mm(), renders.joints, atol=0.05)


def test_frames_without_all_joints_are_left_out_and_unknown_ones_refused(renders: Renders, tmp_path: Path) -> None:
    estimator = HandPoseEstimator(threads=1)
    some = renders.joints[:3].copy()
    some[1, 4] = np.nan
    write_joints(tmp_path, ["0", "1", "2"], some)
    assert len(own_frames(renders, tmp_path / "joints.csv", estimator, "right", 250.0)[0]) == 2
    write_joints(tmp_path, ["0", "400"], some[:2])
    with pytest.raises(DatasetError, match="'400' is no frame of renders"):
        own_frames(renders, tmp_path / "joints.csv", estimator, "right", 250.0)
    write_joints(tmp_path, ["0"], some[:1, :1], order=("wrist",))
    with pytest.raises(DatasetError, match="lacks thumb_cmc"):
        own_frames(renders, tmp_path / "joints.csv", estimator, "right", 250.0)
    write_joints(tmp_path, ["1"], some[1:2])
    with pytest.raises(DatasetError, match="no frame of renders has all 21 joints"):
        own_frames(renders, tmp_path / "joints.csv", estimator, "right", 250.0)


def test_images_of_a_folder_are_named(tmp_path: Path, renders: Renders) -> None:
    from knuckle.depth import write_depth

    CAMERA.save(tmp_path / "camera.json")
    for index in (0, 1):
        write_depth(tmp_path / f"shot {index + 9}.png", renders.depths[index], 1.0)
    write_joints(tmp_path, ["shot 10.png"], renders.joints[1:2])
    with open_source(str(tmp_path)) as source:
        assert isinstance(source, RecordedSource)
        found, _ = own_frames(source, tmp_path / "joints.csv", HandPoseEstimator(threads=1), "right", 250.0)
    np.testing.assert_allclose(found.joints_mm(), renders.joints[1:2], atol=0.05)


def test_shipped_networks_come_back_whole() -> None:
    networks = Pair.load(SHIPPED)
    depth = torch.rand(3, 1, 48, 48) * 2 - 1
    probabilities = torch.rand(3, 21, 48, 48).softmax(dim=1)
    with torch.inference_mode():
        joints, spread = networks.regressor(depth, probabilities)
    expected = HandPoseEstimator(threads=1).regress(depth[:, 0].numpy(), probabilities.numpy())
    np.testing.assert_allclose(joints.numpy(), expected[0], atol=1e-4)
    np.testing.assert_allclose(spread.numpy(), expected[1], atol=1e-4)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    inputs = {"depth": torch.zeros(2, 1, 48, 48), "probabilities": torch.zeros(2, 21, 48, 48)}
    small = make_regressor(RegressionRecipe(size=NetworkSettings(widths=(8, 8, 8), hidden=8)))
    with pytest.raises(WeightsError, match="not a float32 network of the size"):
        load_exported(small, SHIPPED / "regression.onnx", inputs)
    with pytest.raises(WeightsError, match="not a float32 network of the size"):
        load_exported(make_segmenter(SegmentationRecipe()), SHIPPED / "regression.onnx", inputs)
    quantise_convolutions(
        SHIPPED / "segmentation.onnx", tmp_path / "int8.onnx", [{"depth": np.zeros((1, 1, 48, 48), np.float32)}]
    )
    segmenter = WithProbabilities(make_segmenter(SegmentationRecipe()))
    with pytest.raises(WeightsError, match=r"int8.onnx: not a float32 network of the size"):
        load_exported(segmenter, tmp_path / "int8.onnx", {"depth": inputs["depth"]})
    (tmp_path / "torn.onnx").write_bytes(b"torn")
    with pytest.raises(WeightsError, match="cannot read"):
        load_exported(small, tmp_path / "torn.onnx", inputs)
    swapped = onnx.load(SHIPPED / "regression.onnx")
    matrices = [node for node in swapped.graph.node if node.op_type == "MatMul" and node.input[1].startswith("val_")]
    alike = [node for node in matrices if _shape(swapped, node.input[1]) == (96, 96)]
    alike[0].input[1], alike[1].input[1] = alike[1].input[1], alike[0].input[1]
    onnx.save(swapped, tmp_path / "swapped.onnx")
    load_exported(make_regressor(RegressionRecipe()), tmp_path / "swapped.onnx", _noise())


def _noise() -> dict[str, torch.Tensor]:
    return {"depth": torch.rand(2, 1, 48, 48) * 2 - 1, "probabilities": torch.rand(2, 21, 48, 48).softmax(dim=1)}


def _shape(model: onnx.ModelProto, name: str) -> tuple[int, ...]:
    return next(tuple(item.dims) for item in model.graph.initializer if item.name == name)


BETTER = Verdict(10, 9.0, 7.0, -3.0, -1.0, 12.0, 8.0, 30.0)


def test_what_is_better_is_written_whole_and_can_be_used_and_adapted_again(
    frames: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knuckle.pipeline.adapt.judge_frames", lambda *_: BETTER)
    monkeypatch.setattr("knuckle.pipeline.adapt.rendered", lambda *_: frames)
    out = tmp_path / "new" / "mine"
    adapt(frames, SHIPPED, out, QUICK)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine"]
    networks = ["regression.onnx", "segmentation.onnx"]
    assert sorted(path.name for path in out.iterdir()) == ["SHA256SUMS", "adapted.json", *networks]
    report = json.loads((out / "adapted.json").read_text())
    assert (report["after_mm"], report["trained_on"], report["settings"]["steps"]) == (7.0, 30, 2)
    mine, shipped = HandPoseEstimator(out, threads=1), HandPoseEstimator(threads=1)
    crops = frames.depth[:4].astype(np.float32)
    assert np.abs(mine.segment(crops) - shipped.segment(crops)).max() > 0
    Pair.load(out)
    with pytest.raises(SettingsError, match="is there already"):
        adapt(frames, SHIPPED, out, QUICK)


def test_a_folder_that_cannot_be_written_is_named_and_nothing_left(
    frames: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(pair: Pair, folder: Path) -> None:
        folder.mkdir()
        (folder / "segmentation.onnx").write_bytes(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("knuckle.pipeline.adapt.judge_frames", lambda *_: BETTER)
    monkeypatch.setattr("knuckle.pipeline.adapt.rendered", lambda *_: frames)
    monkeypatch.setattr(Pair, "write", full)
    with pytest.raises(SettingsError, match=r"mine: cannot write \(No space left"):
        adapt(frames, SHIPPED, tmp_path / "mine", QUICK)
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot write"):
        adapt(frames, SHIPPED, tmp_path / "file" / "mine", QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_not_better_is_refused_and_nothing_written(
    frames: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knuckle.pipeline.adapt.rendered", lambda *_: frames)
    with pytest.raises(AdaptError, match=r"no better: .* mm before, .* mm after on 10 held-out"):
        adapt(frames, SHIPPED, tmp_path / "mine", replace(QUICK, steps=1, rate=1e-6))  # trained, but hardly
    assert list(tmp_path.iterdir()) == []


def test_held_out_frames_are_the_last_and_the_same_pose_is_that_of_the_others(
    frames: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, held_out = split(frames, 0.25)
    np.testing.assert_array_equal(np.concatenate([train.joints, held_out.joints]), frames.joints)
    assert (len(train), len(held_out)) == (30, 10)
    monkeypatch.setattr("knuckle.pipeline.adapt.rendered", lambda *_: frames)
    poses = np.repeat(frames.joints[:1], len(frames), axis=0)  # of the first frame, whatever is seen
    with pytest.raises(AdaptError, match=r"one pose for all frames \(0\.0 mm\)"):
        adapt(replace(frames, joints=poses), SHIPPED, tmp_path / "mine", replace(QUICK, steps=1))
    assert list(tmp_path.iterdir()) == []


def test_joints_of_other_frames_or_units_are_refused_before_anything_is_trained(
    frames: TrainingData, tmp_path: Path
) -> None:
    metres = replace(frames, joints=frames.joints * 4)
    with pytest.raises(AdaptError, match="mm from where the networks see them"):
        adapt(metres, SHIPPED, tmp_path / "mine", QUICK)
    assert not (tmp_path / "mine").exists()


def test_too_few_frames_are_refused(frames: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 40 are needed"):
        adapt(frames[: FEWEST - 1], SHIPPED, tmp_path / "mine", QUICK)


def better(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether such mean errors (N,) are, with every joint alike."""
    alike = (np.repeat(errors[:, None], 21, axis=1) for errors in (before, after, np.full(len(before), 40.0)))
    return judge_frames(*alike, seed=0).is_better


def test_only_a_difference_beyond_doubt_counts() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(5, 15, 200)
    assert better(before, before - 2)
    assert not better(before, before + 0.1)
    assert not better(before, before - 0.01)  # sure, but a trifle
    assert not better(before, before + rng.normal(0, 5, 200))
    runs = np.repeat(rng.choice([-6.0, 5.0], 4), 50)  # four long stretches: no evidence, however many the frames
    assert not better(before, before + runs)


def test_a_verdict_tells_fingertips_apart_and_who_has_not_looked() -> None:
    before, after = np.full((50, 21), 10.0), np.full((50, 21), 8.0)
    before[:, [4, 8, 12, 16, 20]], after[:, [4, 8, 12, 16, 20]] = 20.0, 12.0
    verdict = judge_frames(before, after, np.full((50, 21), 9.5), 0)
    assert (verdict.tips_before_mm, verdict.tips_after_mm) == (20.0, 12.0)
    assert verdict.is_better
    assert not verdict.has_looked
    assert judge_frames(before, after, np.full((50, 21), 10.5), 0).has_looked
    assert "12.4 mm before, 9.0 mm after on 50 held-out frames (difference -3.4 to -3.4 mm; fing" in verdict.in_words()


def test_settings_are_checked() -> None:
    for wrong in ({"held_out": 1.0}, {"real_share": 0.0}, {"steps": 0}, {"synthetic": 0}):
        with pytest.raises(SettingsError):
            AdaptSettings(**wrong)  # type: ignore[arg-type]
