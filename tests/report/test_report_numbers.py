"""Numbers in, numbers out: collected over seeds, compared, averaged."""

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import LABELS, METHODS, make_recipe, make_results, write_run

from knuckle.errors import SettingsError
from knuckle.report import compare
from knuckle.report.blocks import cell
from knuckle.report.numbers import Numbers, gather, mean_and_spread, per_seed, scalars, vectors
from knuckle.report.runs import Regime, group


def regime_of(tmp_path: Path, seeds: int = 2, labels: Any = LABELS, methods: Any = METHODS) -> Regime:
    recipes = [make_recipe(seed, labels, methods) for seed in range(seeds)]
    (regime,) = group([write_run(tmp_path / f"run-{seed}", seed, recipe) for seed, recipe in enumerate(recipes)])
    return regime


def compared(regime: Regime) -> Numbers:
    numbers = gather(regime)
    compare.add_comparisons(regime, numbers)
    return numbers


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=9))
def test_mean_and_spread_are_the_sample_s(values: list[float]) -> None:
    mean, spread = mean_and_spread(values)
    assert mean == pytest.approx(statistics.fmean(values), abs=1e-9)
    assert spread == pytest.approx(statistics.stdev(values), abs=1e-6)


def test_one_value_has_no_spread() -> None:
    assert mean_and_spread([4.5]) == (4.5, None)


@pytest.mark.parametrize(
    ("values", "digits", "sign", "text"),
    [
        ([], 2, False, "–"),
        ([51.034], 2, False, "51.03"),
        ([1.0, 3.0], 1, True, "+2.0 ± 1.4"),
        ([-1.5], 1, True, "−1.5"),
        ([-1.5], 1, False, "−1.5"),
        ([33.4], 0, False, "33"),
    ],
)
def test_a_cell(values: list[float], digits: int, sign: bool, text: str) -> None:
    assert cell(values, digits, sign) == text


def test_numbers_are_lists_over_seeds(tmp_path: Path) -> None:
    numbers = gather(regime_of(tmp_path, seeds=3))
    assert per_seed(numbers, "supervision", "dictionary", "test.pixel") == [60, 61, 62]
    assert per_seed(numbers, "supervision", "dictionary", "labels.class") == [52, 53, 54]
    assert per_seed(numbers, "restoration", "vote", "pixel") == [44, 46, 48]
    assert per_seed(numbers, "time", "ours", "ms") == [30, 30, 30]
    curve = vectors(numbers, "methods", "ours", "test.curve")
    assert curve.shape == (3, 81)
    assert np.isnan(vectors(numbers, "segmentation", "f_s", "test.parts")[:, 0]).all()


def test_what_a_seed_lacks_is_none_and_not_averaged(tmp_path: Path) -> None:
    recipe = make_recipe(1)
    results = make_results(recipe, 1)
    results["tables"]["supervision"]["dictionary"]["better_of_accepted"] = float("nan")
    del results["tables"]["supervision"]["dictionary"]["labels"]
    regime = group([write_run(tmp_path / "run-0"), write_run(tmp_path / "run-1", 1, recipe, results)])[0]
    numbers = gather(regime)
    for metric, value in (("better_of_accepted", 0.875), ("labels.pixel", 62.0)):
        assert per_seed(numbers, "supervision", "dictionary", metric) == [value, None]
        assert scalars(numbers, "supervision", "dictionary", metric) == [value]
    assert scalars(numbers, "supervision", "nobody", "test.pixel") == []


def test_zero_is_a_value(tmp_path: Path) -> None:
    results = make_results(make_recipe())
    results["tables"]["supervision"]["dictionary"]["accepted"] = 0.0
    (regime,) = group([write_run(tmp_path / "run", results=results)])
    assert scalars(gather(regime), "supervision", "dictionary", "accepted") == [0]


@pytest.mark.parametrize("value", ["71 %", True, [["deep"]]])
def test_a_result_that_is_no_number_is_refused(tmp_path: Path, value: Any) -> None:
    results = make_results(make_recipe())
    results["tables"]["supervision"]["teacher"]["test"]["pixel"] = value
    (regime,) = group([write_run(tmp_path / "run", results=results)])
    with pytest.raises(SettingsError, match=r"results\.json: supervision, teacher: holds what is no number"):
        gather(regime)


def test_curves_of_different_lengths_are_refused(tmp_path: Path) -> None:
    results = make_results(make_recipe(1), 1)
    results["tables"]["methods"]["a"]["test"]["curve"].pop()
    regime = group([write_run(tmp_path / "run-0"), write_run(tmp_path / "run-1", 1, results=results)])[0]
    with pytest.raises(SettingsError, match=r"methods, a: test\.curve is of another length"):
        vectors(gather(regime), "methods", "a", "test.curve")


def test_changes_are_over_no_restoration_the_control_and_the_first_method(tmp_path: Path) -> None:
    numbers = compared(regime_of(tmp_path))
    assert numbers["restoration"]["vote"]["pixel.change"] == [4, 5]
    assert numbers["supervision"]["teacher"]["test.pixel.change"] == [20, 20]
    assert numbers["supervision"]["noise"]["test.class.change"] == [5, 5]
    assert numbers["methods"]["d, shared"]["test.mean_3d.change"] == pytest.approx([-20, -20])
    assert numbers["methods"]["ours"]["test.mean_2d.change"] == pytest.approx([-50, -50])
    for table, row in (("restoration", "none"), ("supervision", "control"), ("methods", "a")):
        assert not [metric for metric in numbers[table][row] if metric.endswith((".change", ".closed"))]


def test_the_way_is_to_the_ceiling_with_the_same_share_of_real_frames(tmp_path: Path) -> None:
    numbers = compared(regime_of(tmp_path))
    assert numbers["supervision"]["dictionary"]["test.pixel.closed"] == pytest.approx([25, 25])  # 10 of 40
    assert numbers["supervision"]["teacher"]["test.class.closed"] == pytest.approx([80, 80])  # 20 of 25
    for row in ("control", "ceiling", "ceiling 1:1"):
        assert "test.pixel.closed" not in numbers["supervision"][row]


def test_a_row_of_another_length_is_neither_compared_nor_compared_with(tmp_path: Path) -> None:
    labels = {**LABELS, "ceiling 1:1": {**LABELS["ceiling 1:1"], "fit": {"steps": 9}}}
    numbers = compared(regime_of(tmp_path, labels=labels))
    assert numbers["supervision"]["teacher"]["test.pixel.closed"] == pytest.approx([50, 50])  # 20 of 40
    labels = {**LABELS, "teacher": {**LABELS["teacher"], "fit": {"steps": 9}}}
    regime = regime_of(tmp_path / "other", labels=labels)
    numbers = compared(regime)
    assert "test.pixel.closed" not in numbers["supervision"]["teacher"]
    assert numbers["supervision"]["teacher"]["test.pixel.change"] == [20, 20]
    assert compare.best_labels(regime, numbers) == "dictionary"


def test_another_ceiling_does_where_there_is_none_of_the_same_share(tmp_path: Path) -> None:
    labels = {name: row for name, row in LABELS.items() if name != "ceiling 1:1"}
    numbers = compared(regime_of(tmp_path, labels=labels))
    assert numbers["supervision"]["teacher"]["test.pixel.closed"] == pytest.approx([50, 50])  # 20 of 40


def test_there_is_no_way_without_a_ceiling_above_the_control(tmp_path: Path) -> None:
    results = make_results(make_recipe())
    results["tables"]["supervision"]["ceiling"]["test"] |= {"pixel": 50.0, "class": 39.0}
    (regime,) = group([write_run(tmp_path / "run", results=results)])
    row = compared(regime)["supervision"]["dictionary"]
    assert row["test.pixel.closed"] == row["test.class.closed"] == [None]


def test_without_control_or_ceiling_nothing_is_compared(tmp_path: Path) -> None:
    labels = {"noise": LABELS["noise"], "dictionary": LABELS["dictionary"]}
    numbers = compared(regime_of(tmp_path, labels=labels, methods=None))
    assert not [metric for row in numbers["supervision"].values() for metric in row if "change" in metric]


def test_what_is_best_on_dev_never_read_the_truth(tmp_path: Path) -> None:
    methods = {**METHODS, "of a ceiling": {"network": "paper", "parts": "ceiling"}}
    recipe = make_recipe(methods=methods)
    results = make_results(make_recipe())
    results["tables"]["methods"]["of a ceiling"] = results["tables"]["methods"]["true parts"]
    (regime,) = group([write_run(tmp_path / "run", recipe=recipe, results=results)])
    numbers = compared(regime)
    assert compare.best_labels(regime, numbers) == "teacher"
    assert compare.best_method(regime, numbers) == "ours"
    assert [name for name in methods if compare.reads_truth(regime, name)] == ["true parts", "of a ceiling"]


def test_the_choice_is_made_on_dev_not_on_test(tmp_path: Path) -> None:
    results = make_results(make_recipe())
    results["tables"]["supervision"]["noise"]["dev"]["pixel"] = 99.0
    results["tables"]["methods"]["b"]["dev"]["mean_3d"] = 1.0
    (regime,) = group([write_run(tmp_path / "run", results=results)])
    numbers = gather(regime)
    assert (compare.best_labels(regime, numbers), compare.best_method(regime, numbers)) == ("noise", "b")


def test_without_dev_nothing_is_chosen(tmp_path: Path) -> None:
    results = make_results(make_recipe())
    for table in ("supervision", "methods"):
        for row in results["tables"][table].values():
            del row["dev"]
    (regime,) = group([write_run(tmp_path / "run", results=results)])
    numbers = gather(regime)
    assert compare.best_labels(regime, numbers) is compare.best_method(regime, numbers) is None


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (("vote", "gated vote"), "gated vote"),
        (("evidence", "vote"), "vote"),
        (("evidence",), None),
    ],
)
def test_the_row_of_the_paper_votes_and_is_gated(tmp_path: Path, rows: tuple[str, ...], found: str | None) -> None:
    kinds = {
        "vote": {"labels": "dictionary"},
        "gated vote": {"labels": "dictionary", "gate": True},
        "evidence": {"labels": "dictionary", "method": "evidence", "gate": True},
    }
    recipe = make_recipe(labels={name: kinds[name] for name in rows}, methods=None)
    results = make_results(make_recipe(labels=None, methods=None))
    results["tables"]["supervision"] = {name: {} for name in rows}
    (regime,) = group([write_run(tmp_path / "run", recipe=recipe, results=results)])
    assert compare.dictionary_row(regime) == found


@pytest.mark.parametrize(
    ("name", "letter"),
    [("a", "a"), ("d, teacher", "d"), ("c shared", "c"), ("b: zoomed", "b")]
    + [(name, None) for name in ("all", "ours", "e", "a-b", "d2", "A", "")],
)
def test_a_letter_of_the_paper_stands_alone(name: str, letter: str | None) -> None:
    assert compare.paper_letter(name) == letter


@pytest.mark.parametrize("metric", ["curve", "joints"])
def test_a_list_of_another_length_is_refused(tmp_path: Path, metric: str) -> None:
    results = make_results(make_recipe())
    results["tables"]["methods"]["a"]["test"][metric].append(0.5)
    regime = group([write_run(tmp_path / "run", results=results)])[0]
    with pytest.raises(SettingsError, match=f"methods, a: test.{metric} is of another length"):
        vectors(gather(regime), "methods", "a", f"test.{metric}")


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e300, "1", True])
def test_what_is_no_result_is_refused(tmp_path: Path, value: Any) -> None:
    results = make_results(make_recipe())
    results["tables"]["methods"]["a"]["test"]["mean_3d"] = value
    regime = group([write_run(tmp_path / "run", results=results)])[0]
    with pytest.raises(SettingsError, match="methods, a: holds what is no number"):
        gather(regime)
