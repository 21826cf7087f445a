"""The tables as a reader sees them: the right number in the right cell, [N]'s apart."""

from pathlib import Path

import pytest
from small_runs import LABELS, make_recipe, make_results, write_run

from knuckle.report.blocks import Table
from knuckle.report.compare import add_comparisons
from knuckle.report.joint_tables import method_table, time_table
from knuckle.report.numbers import Numbers, gather
from knuckle.report.overview import introduction
from knuckle.report.part_tables import label_table, restoration_table, step_1_table, supervision_table
from knuckle.report.runs import Regime, group
from knuckle.report.words import data_words, label_words, method_words, seed_words, segmenter_words

ALL = (step_1_table, restoration_table, supervision_table, label_table, method_table, time_table)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Regime, Numbers]:
    """A regime of the seeds 0 and 1."""
    return numbers_of([write_run(tmp_path / f"run-{seed}", seed) for seed in (0, 1)])


def numbers_of(folders: list[Path]) -> tuple[Regime, Numbers]:
    (regime,) = group(folders)
    numbers = gather(regime)
    add_comparisons(regime, numbers)
    return regime, numbers


def row(table: Table, name: str) -> tuple[str, ...]:
    """The cells after the first one of the row of that name."""
    return next(cells[1:] for cells in table.rows if cells[0] == name)


def test_step_1(two: tuple[Regime, Numbers]) -> None:
    table = step_1_table(*two)
    assert row(table, "synthetic hands, held out") == ("90.00 ± 0.00", "80.00 ± 0.00", "70.00 ± 0.00", "90.16")
    assert row(table, "dev") == ("47.00 ± 0.00", "37.00 ± 0.00", "27.00 ± 0.00", "–")
    assert row(table, "test") == ("48.50 ± 0.71", "38.50 ± 0.71", "28.50 ± 0.71", "51.03 / 39.38")
    assert "7 steps of 3" in table.caption


def test_table_2(two: tuple[Regime, Numbers]) -> None:
    table = restoration_table(*two)
    assert row(table, "no restoration") == ("40.50 ± 0.71", "–", "30.50 ± 0.71", "–", "51.03 / 39.38")
    assert row(table, "nearest patches, integrated by eq. 2") == (
        *("45.00 ± 1.41", "+4.50 ± 0.71", "35.00 ± 1.41", "+4.50 ± 0.71"),
        "54.55 / 46.38",
    )


def test_table_3(two: tuple[Regime, Numbers]) -> None:
    table = supervision_table(*two)
    assert [cells[0] for cells in table.rows] == [
        *("before step 2", "control", "noise", "dictionary", "teacher *", "ceiling", "ceiling 1:1")
    ]
    assert row(table, "dictionary") == (
        "dictionary, vote, 27 px, gate; 10 % real",
        *("60.50 ± 0.71", "+10.00 ± 0.00", "50.50 ± 0.71", "+10.00 ± 0.00"),
        *("25 ± 0", "25 ± 0", "40.50 ± 0.71", "59.50 ± 0.71", "49.50 ± 0.71"),
        "57.18 / 47.20 (+6.15 / +7.82)",
    )
    assert row(table, "before step 2")[1:3] == ("48.50 ± 0.71", "–")
    assert row(table, "before step 2")[-4:] == ("28.50 ± 0.71", "47.00 ± 0.00", "37.00 ± 0.00", "51.03 / 39.38")
    assert [cells[-1] for cells in table.rows].count("–") == 5
    assert "“control”" in table.caption
    assert "40 real frames" in table.caption


def test_labels_and_gate(two: tuple[Regime, Numbers]) -> None:
    table = label_table(*two)
    assert [cells[0] for cells in table.rows] == ["dictionary", "teacher", "ceiling", "ceiling 1:1"]
    assert row(table, "dictionary")[1:] == (
        *("75.0 ± 0.0", "62.5 ± 0.0", "87.5 ± 0.0", "50.0 ± 0.0", "62.50 ± 0.71", "52.50 ± 0.71"),
        "90 to 95 % accepted",
    )
    assert row(table, "teacher")[1:5] == ("100.0 ± 0.0", "–", "–", "–")


def test_table_4(two: tuple[Regime, Numbers]) -> None:
    table = method_table(*two)
    assert row(table, "d, shared") == (
        "[N]'s f_r, 48 px, one network for all joints, parts: f_s after dictionary",
        *("16.00 ± 0.00", "−20.0 ± 0.0", "8.00 ± 0.00", "−20.0 ± 0.0", "15.00 ± 0.00"),
        *("17.00 ± 0.00", "8.50 ± 0.00", "(d) 14.8 / 11.2"),
    )
    assert row(table, "a")[-1] == "(a) 17.3 / 13.3"
    assert row(table, "true parts")[0].endswith("; a ceiling")
    assert row(table, "ours *")[-1] == "–"


def test_times(two: tuple[Regime, Numbers]) -> None:
    table = time_table(*two)
    assert row(table, "f_s")[1:] == ("2.0 ± 0.0", "–", "12 (24×24), 40 (48×48); GPU")
    assert row(table, "a")[1:] == ("30.0 ± 0.0", "30.0 ± 0.0", "18; GPU")
    assert row(table, "ours")[1:] == ("30.0 ± 0.0", "32.0 ± 0.0", "–")
    assert row(table, "true parts")[2] == "30.0 ± 0.0"
    assert "abacus" in table.caption


def test_one_run_has_no_deviation(tmp_path: Path) -> None:
    regime, numbers = numbers_of([write_run(tmp_path / "run-4", 4)])
    tables = [make(regime, numbers) for make in ALL]
    assert not [text for table in tables for cells in table.rows for text in cells if "±" in text]
    assert all("One run, n = 1 (seed 4)." in table.caption for table in tables)


def test_captions_say_how_many_seeds_and_whose_frames(two: tuple[Regime, Numbers]) -> None:
    for make in ALL:
        table = make(*two)
        assert "n = 2 seeds (0, 1)" in table.caption
        assert "NYU's" in table.caption or make is time_table


def test_paper_s_numbers_have_a_column_that_says_so(two: tuple[Regime, Numbers]) -> None:
    for make in ALL:
        kinds = {column.title: column.kind for column in make(*two).columns}
        assert kinds["[N], NYU: other data"] == "paper"


def test_the_regimes_at_a_glance(two: tuple[Regime, Numbers], tmp_path: Path) -> None:
    other = numbers_of([write_run(tmp_path / "other", recipe=make_recipe(methods=None))])
    table = introduction([two[0], other[0]], {"run": two[1], "other": other[1]}).blocks[-1]
    assert isinstance(table, Table)
    assert row(table, "run")[:1] == ("2",)
    assert row(table, "run")[2:] == (
        *("48.50 ± 0.71", "50.50 ± 0.71", "60.50 ± 0.71", "70.50 ± 0.71", "teacher"),
        *("10.00 ± 0.00", "ours"),
    )
    assert row(table, "other")[-3:] == ("teacher", "–", "–")


def test_a_run_of_step_1_alone_has_the_first_table_alone(tmp_path: Path) -> None:
    regime, numbers = numbers_of([write_run(tmp_path / "run", recipe=make_recipe(labels=None, methods=None))])
    assert [bool(make(regime, numbers).rows) for make in ALL] == [True, False, False, False, False, False]


def test_a_method_without_its_scores_has_dashes(tmp_path: Path) -> None:
    results = make_results(make_recipe())
    results["tables"]["methods"]["b"] = {}
    results["tables"]["supervision"]["dictionary"] = {}
    regime, numbers = numbers_of([write_run(tmp_path / "run", results=results)])
    assert row(method_table(regime, numbers), "b")[1:8] == ("–",) * 7
    assert row(supervision_table(regime, numbers), "dictionary")[1:9] == ("–",) * 8


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": "none", "augment": False}, "synthetic hands alone, without noise"),
        (
            {"labels": "teacher", "shift_mm": 8, "real_share": 0.5},
            "teacher that knows the joints, joints 8 mm off; 50 % real",
        ),
        (
            {"labels": "teacher", "reach_mm": 35.0},
            "teacher that knows the joints, not hand beyond 35 mm of a bone; 10 % real",
        ),
        ({"labels": "mode", "gate": True}, "mode filter, gate; 10 % real"),
        ({"labels": "predicted", "fit": {"steps": 9, "batch": 4}}, "what f_s sees itself, 9 steps of 4; 10 % real"),
    ],
)
def test_labels_in_words(settings: dict, words: str) -> None:
    assert label_words(make_recipe(labels={"row": settings}, methods=None)["supervision"]["rows"]["row"]) == words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"network": "paper", "parts": "synthetic"}, "[N]'s f_r, 24 px, one a joint, parts: f_s before step 2"),
        ({"network": "paper", "shared": True, "parts": "nets/b.safetensors"},
         "[N]'s f_r, 24 px, one network for all joints, parts: f_s of nets/b.safetensors"),
        ({"network": "voting"}, "ours, voting, no parts"),
        ({"network": "voting", "parts": "truth", "fit": {"epochs": 2.5, "batch": 8}},
         "ours, voting, parts: hidden truth, 2.5 epochs of 8"),
    ],
)  # fmt: skip
def test_methods_in_words(settings: dict, words: str) -> None:
    assert method_words(make_recipe(methods={"row": settings})["methods"]["rows"]["row"]) == words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "Our compact f_s, trained with noise for 7 steps of 3"),
        ({"network": "paper-24", "augment": False}, "[N]'s f_s at 24×24, trained without noise for 7 steps of 3"),
        ({"start": "a.safetensors"}, "Our compact f_s, from a.safetensors, trained with noise for 7 steps of 3"),
        ({"weights": "b.safetensors"}, "Our compact f_s, of b.safetensors"),
    ],
)
def test_where_f_s_comes_from(tmp_path: Path, settings: dict, words: str) -> None:
    recipe = make_recipe()
    recipe["segmentation"] |= settings
    (regime,) = group([write_run(tmp_path / "run", recipe=recipe)])
    assert segmenter_words(regime) == words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "The frames are simulated (sensor-gap benchmark), not NYU's."),
        ({"scale": 0.25}, "The frames are simulated (sensor-gap benchmark, a trial at 0.25 of its size), not NYU's."),
        ({"benchmark": None, "test": "own.zarr"}, "The frames are those of own.zarr, not [N]'s of NYU."),
    ],
)
def test_whose_frames_they_are(tmp_path: Path, data: dict, words: str) -> None:
    recipe = make_recipe(labels=LABELS)
    recipe["data"] |= data
    (regime,) = group([write_run(tmp_path / "run", recipe=recipe)])
    assert data_words(regime) == words
    assert seed_words(regime) == "One run, n = 1 (seed 0)."
