"""The `knuckle` command. A thin skin: it reads options, calls the library, prints.

Exit codes: 0 = done, 2 = the input or the settings are wrong (one line on stderr for each wrong thing), 130 =
interrupted, 141 = the reader of the output went away. What is heavy is imported inside the commands, so that
`knuckle --help` answers at once.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from knuckle import __version__
from knuckle.cli.adapting import adapt
from knuckle.cli.datasets import data
from knuckle.cli.evaluating import evaluate
from knuckle.cli.inference import demo, predict
from knuckle.cli.live import record
from knuckle.cli.making import export, synth, train
from knuckle.cli.output import ReaderGoneError, complain, say
from knuckle.cli.reporting import report
from knuckle.cli.restoring import dictionary, restore
from knuckle.cli.viewing import view
from knuckle.errors import KnuckleError
from knuckle.files import reason_of

app = typer.Typer(name="knuckle", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
for command in (demo, predict, view, record, adapt, synth, train, evaluate, report, export, restore):
    app.command()(command)
app.add_typer(dictionary, name="dictionary")
app.add_typer(data, name="data")


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command line (by default the process's own) and returns the exit code."""
    args = list(sys.argv[1:] if args is None else args)
    try:
        return int(app(args or ["--help"], prog_name="knuckle", standalone_mode=False) or 0)
    except KnuckleError as error:
        complain(str(error))
        return 2
    except typer.TyperException as error:
        complain(error.format_message())
        return 2
    except OSError as error:  # what no room has put into words: a disk that fails while it is read
        complain(f"{error.filename or 'a file'}: {reason_of(error)}")
        return 2
    except MemoryError as error:
        complain(f"out of memory ({error}): close other programs, or ask for less at once, as with fewer --workers")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except ReaderGoneError:
        return 141


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"knuckle {__version__}")
        raise typer.Exit


@app.callback()
def _knuckle(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The 3D pose of a hand from a single depth image. Lengths are in millimetres, image positions in pixels."""
