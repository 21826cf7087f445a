"""Commands of the patch dictionary: they need the `train` extra."""

import json
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from knuckle.cli.making import counting, need
from knuckle.cli.output import say
from knuckle.errors import SettingsError

dictionary = typer.Typer(help="Build or describe a dictionary of label patches.", rich_markup_mode=None)


class Method(StrEnum):
    """How a map is restored."""

    vote = "vote"
    centre = "centre"
    evidence = "evidence"
    crf_potts = "crf-potts"
    crf_overlap = "crf-overlap"


class Mode(StrEnum):
    """How the dictionary is searched."""

    fast = "fast"
    exact = "exact"


@dictionary.command()
def build(
    stores: Annotated[list[str], typer.Argument(help="Stores of part maps, as knuckle synth writes them.")],
    out: Annotated[Path, typer.Option(help="File to write, such as parts.kdict.")],
    patch: Annotated[int, typer.Option(help="Side of a patch, px, odd.")] = 27,
    count: Annotated[int | None, typer.Option(help="Take only the first maps; by default all.")] = None,
) -> None:
    """Make a dictionary of label patches.

    Reads part labels 0..20 (N, 48, 48). Every hand pixel of every map is the centre of one patch. Writes one file with
    the maps, 2.3 KB each, and an index for the fast search, about 2.5 KB a map. A killed run goes on with the same
    command, to the same bytes.
    """
    need("numba", "zarr", "faiss", "fsspec")
    from knuckle.pipeline.dictionary import build_dictionary

    with counting() as show:
        made = build_dictionary(stores, out, patch, count, show)
    say(f"wrote {out}: {made.patches:,} patches of {len(made.maps):,} maps")


@dictionary.command()
def info(
    file: Annotated[Path, typer.Argument(help="A dictionary that knuckle dictionary build wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a dictionary holds, and check it.

    With --json: maps, patches, patch_px, bytes, indexed (patches in the index), sha256, source.
    """
    need("numba", "faiss")
    from knuckle.restoration.patches import PatchDictionary

    loaded = PatchDictionary.load(file)
    facts: dict[str, Any] = {
        "maps": len(loaded.maps),
        "patches": loaded.patches,
        "patch_px": loaded.patch,
        "bytes": file.stat().st_size,
        "indexed": 0 if loaded.index is None else len(loaded.index.places),
        "sha256": loaded.checksum,
        "source": loaded.source,
    }
    if as_json:
        say(json.dumps(facts))
        return
    for name, value in facts.items():
        shown = json.dumps(value) if isinstance(value, dict) else value
        say(f"{name:9} {value:,}" if isinstance(value, int) else f"{name:9} {shown}")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--dictionary", help="What knuckle dictionary build wrote.")],
    maps: Annotated[str, typer.Option(help="Store with the part maps to restore: folder or URL, and maybe a group.")],
    out: Annotated[str, typer.Option(help="Store to write.")],
    weights: Annotated[
        Path | None,
        typer.Option(help="Restore what this folder's segmentation.onnx sees in the depth, not the store's own maps."),
    ] = None,
    shipped: Annotated[bool, typer.Option("--shipped", help="The same, with the network of the package.")] = False,
    method: Annotated[
        Method,
        typer.Option(
            help="vote: eq. 2 of the paper; centre: the nearest patch alone; crf-potts, crf-overlap: eq. 3; evidence: "
            "votes added to the network's log-probabilities (with --weights or --shipped)."
        ),
    ] = Method.vote,
    mode: Annotated[
        Mode, typer.Option(help="Search: nearly exact, milliseconds a map; or exact, seconds a map.")
    ] = Mode.fast,
    background_weight: Annotated[
        float, typer.Option(help="What a label against background weighs in the distance, 0..1.")
    ] = 1.0,
    window: Annotated[
        int | None, typer.Option(help="Side of the window whose patches vote, px, odd; by default 17.")
    ] = None,
    k: Annotated[
        int | None, typer.Option(help="Nearest patches a pixel; by default 1, 5 for evidence, 10 for a CRF.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Weight of a CRF's pairwise term; by default a tried one.")
    ] = None,
    vote_weight: Annotated[float, typer.Option(help="Weight of the votes, for evidence.")] = 0.5,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler: its workers do it.")] = None,
) -> None:
    """Restore noisy part maps with a dictionary of label patches.

    Reads a store of samples and writes it again with restored parts (N, 48, 48), labels 0..20; all else stays. A killed
    run goes on with the same command, to the same bytes.
    """
    need("numba", "zarr", "faiss", "fsspec")
    from knuckle.data.store import SampleStore
    from knuckle.networks import SHIPPED
    from knuckle.pipeline.restore import restore_store
    from knuckle.restoration.restore import RestoreSettings

    if weights is not None and shipped:
        raise SettingsError("--weights and --shipped exclude each other")
    given = {field.name: context.params[field.name] for field in fields(RestoreSettings)}
    settings = RestoreSettings(**given)
    total = len(SampleStore.open(maps))
    with counting() as show:
        restore_store(
            maps, out, file, settings, SHIPPED if shipped else weights, workers, scheduler,
            lambda done: show("maps", done, total),
        )  # fmt: skip
    say(f"wrote {out}")
