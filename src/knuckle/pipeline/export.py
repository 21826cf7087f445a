"""The networks of a finished run as the ONNX pair that the estimator runs."""

from pathlib import Path

from knuckle.lock import only_writer
from knuckle.networks import write_sums
from knuckle.pipeline.quantise import calibration_crops, quantise_convolutions
from knuckle.pipeline.run import Run
from knuckle.regression.export import export_regressor
from knuckle.regression.train import make_regressor
from knuckle.segmentation.export import export_segmenter
from knuckle.segmentation.train import make_segmenter
from knuckle.training.checkpoint import load_weights


def export(run: Path, out: Path, int8: bool = False) -> list[Path]:
    """Writes a finished run's networks to `out`: segmentation.onnx, regression.onnx if there is one, `SHA256SUMS`.

    int8: the segmentation network's convolutions in 8 bits, with ranges from rendered crops (`pipeline.quantise`).
    Raises `SettingsError` if `run` holds no run or another export writes to `out`, `WeightsError` if the run is not
    finished.
    """
    with only_writer(out):
        return _export(run, out, int8)


def _export(run: Path, out: Path, int8: bool) -> list[Path]:
    recipe = Run(run).recipe
    segmenter = make_segmenter(recipe.segmentation)
    load_weights(segmenter, run / "segmentation" / "weights.safetensors")
    paths = [out / "segmentation.onnx"]
    export_segmenter(segmenter, paths[0])
    if int8:
        feeds = [{"depth": crop[None, None]} for crop in calibration_crops()]
        quantise_convolutions(paths[0], paths[0], feeds)
    if recipe.regression is not None:
        regressor = make_regressor(recipe.regression)
        load_weights(regressor, run / "regression" / "weights.safetensors")
        paths.append(out / "regression.onnx")
        export_regressor(regressor, paths[1])
    write_sums(out)
    return paths
