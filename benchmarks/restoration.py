"""Restoring part maps with the patch dictionary: how fast each search is, and what each method restores (Table 2).

    python benchmarks/restoration.py [--maps 120000] [--queries 100] [--weights DIR] [--background-weight 1]
                                      [--no-searches] [--effects] [--pareto] [--sheet PNG] [--json]

Frames are the first of the sensor-gap benchmark's target-test: SOMA hands before structured light and clutter, labelled
by a network (the shipped one, or that in --weights); the weights of the terms are chosen on its target-dev. That is a
simulation, where the paper has 100 images of NYU. The dictionary holds clean MakeHuman hands, about 310 patches each.
Every search runs in a process of its own; FLANN's trees are over the first 3,300 maps only (10⁶ patches: they need
0.6 KB each), beside the other searches over the same maps. --no-searches leaves them out. --effects adds what patch
size, window, size of the dictionary, k and the weight of background do; --pareto what a fast search costs and misses at
other lengths of the projection and other efforts.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from knuckle.draw import contact_sheet, part_image, write_image
from knuckle.errors import KnuckleError
from knuckle.networks import SHIPPED
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.restore import RestoreSettings, restore
from knuckle.restoration.search import BACKGROUND_WEIGHT
from knuckle.restoration.vote import count_neighbours, restored
from restoration_data import Frames, dictionary_file, frames_of
from restoration_searches import compare_searches, pareto

PAPER = {  # Table 2: NYU-100, % per pixel and per class
    "no restoration": (51.03, 39.38),
    "NN, no integration": (48.76, 39.72),
    "NN, eq. 2": (54.55, 46.38),
    "CRF, Potts": (53.10, 43.64),
    "CRF, overlap": (52.45, 42.68),
}
ALPHAS = {"crf-potts": (1.0, 3.0, 10.0, 30.0, 100.0), "crf-overlap": (0.01, 0.03, 0.1, 0.3, 1.0)}
VOTE_WEIGHTS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)


class Restorer:
    """Restores all frames by settings, with the dictionary that it used last or another one."""

    def __init__(self, folder: Path, maps: int) -> None:
        self._folder, self._maps = folder, maps
        self._open: dict[tuple[int, int], PatchDictionary] = {}

    def __call__(self, frames: Frames, settings: RestoreSettings, maps: int | None = None, patch: int = 27) -> NDArray:
        key = (maps or self._maps, patch)
        if key not in self._open:
            self._open.clear()
            self._open[key] = PatchDictionary.load(dictionary_file(self._folder, *key))
        pairs = zip(frames.predicted, frames.probabilities, strict=True)
        return np.stack([restore(self._open[key], settings, *pair) for pair in pairs])


def best_on(frames: Frames, restorer: Restorer, settings: list[RestoreSettings]) -> RestoreSettings:
    """The settings with the highest accuracy per pixel."""
    return max(settings, key=lambda one: frames.accuracy(restorer(frames, one))[0])


def table_2(frames: Frames, held_out: Frames, restorer: Restorer) -> dict[str, tuple[float, float, str]]:
    """Accuracy per pixel and per class of every method, and what was chosen for it on the held-out frames."""
    modes = np.stack([restored(part_map, count_neighbours(part_map)) for part_map in frames.predicted])
    rows = {
        "no restoration": (*frames.accuracy(frames.predicted), ""),
        "3×3 mode filter": (*frames.accuracy(modes), ""),
        "NN, no integration": (*frames.accuracy(restorer(frames, RestoreSettings("centre"))), ""),
        "NN, eq. 2": (*frames.accuracy(restorer(frames, RestoreSettings())), ""),
        "5 NN, eq. 2": (*frames.accuracy(restorer(frames, RestoreSettings(k=5))), ""),
    }
    weighed = [RestoreSettings("evidence", k=k, vote_weight=weight) for weight in VOTE_WEIGHTS for k in (1, 5)]
    chosen = best_on(held_out, restorer, weighed)
    found = frames.accuracy(restorer(frames, chosen))
    rows["votes added to evidence"] = (*found, f"weight {chosen.vote_weight:g}, k {chosen.k}")
    for name, method in (("CRF, Potts", "crf-potts"), ("CRF, overlap", "crf-overlap")):
        choices = [RestoreSettings(method, alpha=alpha) for alpha in ALPHAS[method]]  # type: ignore[arg-type]
        chosen = best_on(held_out, restorer, choices)
        rows[name] = (*frames.accuracy(restorer(frames, chosen)), f"α {chosen.alpha:g}")
    return rows


def effects(frames: Frames, restorer: Restorer, maps: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Accuracy of eq. 2 when one thing at a time is changed."""
    plain = RestoreSettings()
    sizes = [size for size in (325, 3_300, 33_000) if size < maps] + [maps]
    changes: dict[str, dict[str, Callable[[], NDArray]]] = {
        "maps": {f"{size:,}": lambda size=size: restorer(frames, plain, maps=size) for size in sizes},
        "P": {
            str(patch): lambda patch=patch: restorer(frames, plain, patch=patch)
            for patch in (9, 13, 17, 21, 27, 35)
        },
        "W": {str(side): lambda side=side: restorer(frames, replace(plain, window=side)) for side in (1, 5, 9, 17, 27)},
        "k": {str(k): lambda k=k: restorer(frames, replace(plain, k=k)) for k in (1, 2, 5, 10, 20)},
        "background": {
            f"{weight:g}": lambda weight=weight: restorer(frames, replace(plain, background_weight=weight))
            for weight in (0.0, 0.1, 0.3, 0.5, 1.0)
        },
    }  # fmt: skip
    return {name: {value: frames.accuracy(run()) for value, run in runs.items()} for name, runs in changes.items()}


def draw_sheet(path: Path, frames: Frames, restorer: Restorer) -> None:
    """Writes a picture: a row of part maps for each of a few frames."""
    some = range(0, len(frames.predicted), max(1, len(frames.predicted) // 10))
    few = Frames(frames.predicted[some], frames.truth[some], frames.probabilities[some])
    columns = {
        "predicted": few.predicted,
        "no integration": restorer(few, RestoreSettings("centre")),
        "eq. 2": restorer(few, RestoreSettings()),
        "eq. 2, 5 NN": restorer(few, RestoreSettings(k=5)),
        "added to evidence": restorer(few, RestoreSettings("evidence", k=5, vote_weight=0.3)),
        "CRF, overlap": restorer(few, RestoreSettings("crf-overlap")),
        "truth": few.truth,
    }
    pictures = [
        part_image(np.kron(maps[i], np.ones((4, 4), np.uint8))) for i in range(len(some)) for maps in columns.values()
    ]
    write_image(path, contact_sheet(pictures, len(columns), [*columns] * len(some)))


def show_table_2(rows: dict[str, tuple[float, float, str]]) -> None:
    """Prints our Table 2 beside the paper's."""
    table = Table(title="restored accuracy, %; the paper's on NYU-100")
    for column in ("method", "per pixel", "per class", "chosen on target-dev", "[N] pixel", "[N] class"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for name, (pixel, of_class, chosen) in rows.items():
        paper = (f"{value:.2f}" for value in PAPER.get(name, ()))
        table.add_row(name, f"{pixel:.2f}", f"{of_class:.2f}", chosen, *paper)
    Console().print(table)


def show_effects(found: dict[str, dict[str, tuple[float, float]]]) -> None:
    """Prints a line for every change."""
    for name, values in found.items():
        print(f"{name:10}", "  ".join(f"{value}: {pixel:.2f} / {part:.2f}" for value, (pixel, part) in values.items()))


def main(
    maps: Annotated[int, typer.Option(min=1, help="Hands in the dictionary, about 310 patches each.")] = 120_000,
    queries: Annotated[int, typer.Option(min=1, help="Frames to restore; half as many to choose weights on.")] = 100,
    weights: Annotated[Path, typer.Option(help="Folder of the segmentation.onnx whose maps are restored.")] = SHIPPED,
    out: Annotated[Path, typer.Option(help="Folder that keeps hands and dictionaries.")] = Path("benchmarks/out"),
    weight: Annotated[
        float, typer.Option("--background-weight", min=0, max=1, help="Of background in the searches' distance.")
    ] = BACKGROUND_WEIGHT,
    searches: Annotated[bool, typer.Option(help="Time the searches.")] = True,
    with_effects: Annotated[bool, typer.Option("--effects", help="Vary P, W, maps, k and background, too.")] = False,
    with_pareto: Annotated[bool, typer.Option("--pareto", help="Vary the index and the effort, too.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="A picture of some restored frames to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Searches and methods of restoration."""
    if with_pareto and not searches:
        raise typer.BadParameter("--pareto compares with the exact search: leave --no-searches out")
    try:
        frames = frames_of(out, "target-test", queries, weights)
        held_out = frames_of(out, "target-dev", -(-queries // 2), weights)
        found = compare_searches(out, maps, frames, weight) if searches else {}
        curve = pareto(dictionary_file(out, maps), frames, found["exact"]["distance"]) if with_pareto else []
        for row in curve:
            print("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
        restorer = Restorer(out, maps)
        methods = table_2(frames, held_out, restorer)
        show_table_2(methods)
        if sheet is not None:
            draw_sheet(sheet, frames, restorer)
        changed = effects(frames, restorer, maps) if with_effects else {}
        show_effects(changed)
    except KnuckleError as error:
        typer.echo(f"restoration: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps({**found, "pareto": curve, "table_2": methods, "effects": changed}))


if __name__ == "__main__":
    typer.run(main)
