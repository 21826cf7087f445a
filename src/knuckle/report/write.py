"""`knuckle report`: run folders → one page, the same in Markdown with its figures, and every number as JSON."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from knuckle.draw import write_image
from knuckle.errors import SettingsError
from knuckle.files import reason_of, write_whole
from knuckle.report.blocks import Block, Figure, Section, Table
from knuckle.report.compare import add_comparisons
from knuckle.report.figures import joint_figures, part_figures
from knuckle.report.html import page
from knuckle.report.joint_tables import method_table, time_table
from knuckle.report.markdown import document
from knuckle.report.numbers import Numbers, gather
from knuckle.report.overview import introduction
from knuckle.report.part_tables import label_table, restoration_table, step_1_table, supervision_table
from knuckle.report.runs import RECIPE, RESULTS, Regime, group

_TITLE = "Hand pose with a learned part map: results"
_PAGE = "report.html"
_DOCUMENT = "report.md"


def write_report(runs: Sequence[Path], out: Path) -> list[Path]:
    """Writes report.html, report.md with its figures, and results.json to a folder; returns their paths.

    results.json: regime → table → row → metric → one value a seed, in the order of the regime's "seeds". The same runs
    give the same bytes. Raises `SettingsError` for a folder that is no finished run, for runs that do not belong
    together, or where `out` cannot be written or is a run itself.
    """
    regimes = group(runs)
    if (out / RECIPE).exists():
        raise SettingsError(f"{out}: is a run: choose another folder for the report")
    numbers = {regime.name: _all_numbers(regime) for regime in regimes}
    sections = [introduction(regimes, numbers)]
    for regime, prefix in zip(regimes, _file_names([regime.name for regime in regimes]), strict=True):
        sections.append(_section(regime, numbers[regime.name], prefix))
    figures = [block for section in sections for block in section.blocks if isinstance(block, Figure)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        images = {figure.file: _write_figure(out / figure.file, figure) for figure in figures}
        write_whole(out / _DOCUMENT, document(_TITLE, sections))
        write_whole(out / RESULTS, _as_json(regimes, numbers))
        write_whole(out / _PAGE, page(_TITLE, sections, images))
    except OSError as error:
        raise SettingsError(f"{out}: cannot write the report ({reason_of(error)})") from None
    return [out / name for name in (_PAGE, _DOCUMENT, RESULTS, *images)]


def _all_numbers(regime: Regime) -> Numbers:
    numbers = gather(regime)
    add_comparisons(regime, numbers)
    return numbers


def _section(regime: Regime, numbers: Numbers, prefix: str) -> Section:
    """The tables and figures of one regime, those that it has numbers for, in [N]'s order."""
    blocks: list[Block] = [
        *(make(regime, numbers) for make in (step_1_table, restoration_table, supervision_table, label_table)),
        *part_figures(regime, numbers, prefix),
        method_table(regime, numbers),
        *joint_figures(regime, numbers, prefix),
        time_table(regime, numbers),
    ]
    return Section(regime.name, tuple(block for block in blocks if not isinstance(block, Table) or block.rows))


def _file_names(names: Sequence[str]) -> list[str]:
    """Names that are safe in a path and a link, each another one."""
    safe = [re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "regime" for name in names]
    return [name if safe.count(name) == 1 else f"{name}-{number}" for number, name in enumerate(safe, 1)]


def _as_json(regimes: Sequence[Regime], numbers: dict[str, Numbers]) -> str:
    found = {regime.name: {"seeds": regime.seeds, **numbers[regime.name]} for regime in regimes}
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def _write_figure(path: Path, figure: Figure) -> bytes:
    """Writes a figure's file; returns its bytes."""
    if isinstance(figure.content, str):
        write_whole(path, figure.content)
    else:
        write_image(path, figure.content)
    return path.read_bytes()
