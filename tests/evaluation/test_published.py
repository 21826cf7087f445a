"""Eight published methods on NYU: the evaluator gives the numbers that others computed from the same files."""

from pathlib import Path

import pytest

from knuckle.evaluation.score import Score, score
from knuckle.evaluation.truth import Truth, read_predictions, read_truth

MEAN_3D = {  # mm, over 14 joints and 8,252 frames
    "DeepPrior": 20.750,
    "DeepPrior-Refinement": 19.726,
    "DeepModel": 17.036,
    "Feedback": 15.973,
    "LieX": 14.507,
    "REN-4x6x6": 13.393,
    "DeepPriorPP": 12.238,
    "V2V-PoseNet": 8.419,
}
MEAN_2D = {"DeepPrior-Refinement": 14.77, "Feedback": 12.28}
PERSONS = {"V2V-PoseNet": (4.22, 10.18), "DeepPriorPP": (6.93, 14.47)}
WITHIN = {"V2V-PoseNet": (71.2, 88.1), "DeepModel": (19.0, 58.2)}  # %, 20 and 40 mm


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    if not (shared_data / "nyu" / "predictions").is_dir():
        pytest.skip("no published predictions")
    return shared_data / "nyu"


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    return read_truth("nyu", folder / "test_groundtruth_uvd.txt.gz")


@pytest.fixture(scope="module")
def scores(folder: Path, truth: Truth) -> dict[str, Score]:
    paths = {name: folder / "predictions" / f"{name}.txt.gz" for name in MEAN_3D}
    return {name: score(read_predictions(path, truth), truth) for name, path in paths.items()}


@pytest.mark.parametrize("name", MEAN_3D)
def test_3d_means_are_those_of_others(scores: dict[str, Score], name: str) -> None:
    assert scores[name].frames == 8252
    assert scores[name].missing == scores[name].unlabelled == 0
    assert abs(scores[name].mean_3d - MEAN_3D[name]) < 0.001


@pytest.mark.parametrize("name", MEAN_2D)
def test_2d_means_are_the_paper_s(scores: dict[str, Score], name: str) -> None:
    assert abs(scores[name].mean_2d - MEAN_2D[name]) < 0.01


@pytest.mark.parametrize("name", PERSONS)
def test_persons_apart(scores: dict[str, Score], name: str) -> None:
    assert list(scores[name].per_subject.values()) == pytest.approx(PERSONS[name], abs=0.006)


@pytest.mark.parametrize("name", WITHIN)
def test_frames_within_a_distance(scores: dict[str, Score], name: str) -> None:
    assert [100 * scores[name].within[mm] for mm in (20, 40)] == pytest.approx(WITHIN[name], abs=0.06)
