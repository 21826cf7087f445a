"""The command that makes a report of finished runs: it needs the `train` extra."""

from pathlib import Path
from typing import Annotated

import typer

from knuckle.cli.making import need
from knuckle.cli.output import say


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs of knuckle train.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
) -> None:
    """Make the tables and figures of the paper from runs.

    Reads results.json, recipe.json and examples.npz of each run. Runs of one recipe with several seeds, in folders
    named NAME-0, NAME-1 and so on, are one regime: mean ± standard deviation. Writes report.html, one page that needs
    nothing else; report.md with its figures beside it; results.json: regime → table → row → metric → one value a seed
    (accuracies in %, errors in mm, times in ms).
    """
    need("matplotlib")
    from knuckle.report.write import write_report

    for path in write_report(runs, out):
        say(f"wrote {path}")
