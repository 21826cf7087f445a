"""The files of a report: whole, safe to open, and the same bytes from the same runs."""

import base64
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from small_runs import ERROR, PIXEL, make_recipe, make_results, write_run

from knuckle.errors import SettingsError
from knuckle.report.blocks import Column, Section, Table
from knuckle.report.html import page
from knuckle.report.markdown import document, plain
from knuckle.report.write import write_report

NASTY = "<script src='//x.y'> & | *b* `c` $d$ ]("


def nasty_run(folder: Path) -> Path:
    """A run with a row and a method that carry a name full of markup."""
    recipe = make_recipe(
        labels={"control": {"labels": "none"}, NASTY: {"labels": "dictionary", "gate": True}},
        methods={NASTY: {"network": "paper", "parts": NASTY}},
    )
    PIXEL.setdefault(NASTY, 60.0)
    ERROR.setdefault(NASTY, 9.0)
    run = write_run(folder, recipe=recipe)
    return run


def html_of(report: Path) -> ET.Element:
    """The page, read as strict XML: every tag closed, every name escaped."""
    return ET.fromstring((report / "report.html").read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two seeds of one regime, and one with names that bite."""
    root = tmp_path_factory.mktemp("report")
    runs = [write_run(root / f"weak-{seed}", seed) for seed in (1, 0)]
    write_report([*runs, nasty_run(root / "a <b>&")], root / "out")
    return root / "out"


def test_the_page_is_well_formed_and_has_a_table_and_an_image_of_everything(report: Path) -> None:
    body = html_of(report)
    assert [element.text for element in body.iter("h2")] == ["weak", "a <b>&"]
    assert len(list(body.iter("table"))) == 1 + 6 + 6
    assert len(list(body.iter("img"))) == 6 + 5
    for table in body.iter("table"):
        assert len({len(row) for row in table.iter("tr")}) == 1


def test_the_page_asks_for_nothing_from_outside(report: Path) -> None:
    body = html_of(report)
    addresses = [
        value for element in body.iter() for key, value in element.items() if key in ("src", "href", "srcset", "style")
    ]
    assert addresses
    assert all(address.startswith("data:image/") for address in addresses)
    assert not list(body.iter("script")) + list(body.iter("link"))
    style = "".join(element.text or "" for element in body.iter("style"))
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_the_page_holds_the_bytes_of_the_files(report: Path) -> None:
    held = [element.get("src", "").partition(",") for element in html_of(report).iter("img")]
    on_disk = {path.read_bytes() for path in report.iterdir() if path.suffix in (".png", ".svg")}
    assert {base64.b64decode(data) for _, _, data in held} == on_disk
    for head, _, data in held:
        assert base64.b64decode(data)[:5] == (b"<?xml" if "svg" in head else b"\x89PNG\r")


def test_names_are_text_and_nothing_else(report: Path) -> None:
    html = (report / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert f"{NASTY} *" in {element.text for element in html_of(report).iter("td")}
    text = (report / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<script", text)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 1 + 6 + 6
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_figures_lie_beside_the_markdown(report: Path) -> None:
    names = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", (report / "report.md").read_text(encoding="utf-8"))
    assert len(names) == len(set(names)) == 11
    assert {path.name for path in report.iterdir()} == {*names, "report.html", "report.md", "results.json"}
    assert "weak-figure-8.svg" in names
    assert all(re.fullmatch(r"[a-z0-9.-]+", name) for name in names)


def test_every_number_is_in_the_json(report: Path) -> None:
    found = json.loads((report / "results.json").read_text(encoding="utf-8"))
    assert list(found) == ["weak", "a <b>&"]
    weak = found["weak"]
    assert weak["seeds"] == [0, 1]
    assert weak["supervision"]["dictionary"]["test.pixel"] == [60, 61]
    assert weak["supervision"]["teacher"]["test.pixel.closed"] == pytest.approx([80, 80])
    assert weak["methods"]["ours"]["test.mean_3d.change"] == pytest.approx([-50, -50])
    assert len(weak["methods"]["ours"]["test.curve"][1]) == 81
    assert set(found["weak"]) == {"seeds", "segmentation", "restoration", "supervision", "methods", "time"}


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    results = make_results(make_recipe())
    results["tables"]["supervision"]["dictionary"]["better_of_accepted"] = float("nan")
    write_report([write_run(tmp_path / "run", results=results)], tmp_path / "out")
    text = (tmp_path / "out" / "results.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text)["run"]["supervision"]["dictionary"]["better_of_accepted"] == [None]


def test_the_same_runs_give_the_same_bytes(report: Path, tmp_path: Path) -> None:
    runs = [report.parent / name for name in ("weak-0", "weak-1", "a <b>&")]
    written = write_report(runs, tmp_path)
    assert {path.name for path in written} == {path.name for path in report.iterdir()}
    assert all(path.read_bytes() == (report / path.name).read_bytes() for path in written)


def test_a_report_never_overwrites_a_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    before = (run / "results.json").read_bytes()
    with pytest.raises(SettingsError, match="run: is a run: choose another folder"):
        write_report([run], run)
    assert (run / "results.json").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file: cannot write the report"):
        write_report([run], tmp_path / "file")


def test_regimes_of_like_names_have_figures_of_their_own(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in ("a b", "A-b", "ж")]
    names = {path.name for path in write_report(runs, tmp_path / "out") if path.suffix == ".svg"}
    assert names == {f"{name}-figure-{n}.svg" for name in ("a-b-1", "a-b-2", "regime") for n in (6, 8)}


def test_numbers_stand_at_the_right_in_both() -> None:
    table = Table("T", "C", (Column("x", "words"), Column("y"), Column("z", "paper")), (("a|b", "1", "2"),))
    text = document("Title", [Section("S", ("one\ntwo", table))])
    assert "| x | y | z |\n| :-- | --: | --: |\n| a\\|b | 1 | 2 |\n" in text
    assert "## S\n\none two\n\n### T" in text
    html = page("Title", [Section("S", (table,))], {})
    assert '<td class="words">a|b</td><td class="number">1</td><td class="paper">2</td>' in html
    assert re.search(r"th, td \{[^}]*text-align: right", html)


def test_plain_text_stays_itself() -> None:
    assert plain("54.55 ± 0.31 % (+3.5, “a”)") == "54.55 ± 0.31 % (+3.5, “a”)"
    assert plain("a\n b") == "a b"
