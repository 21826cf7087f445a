"""What commands print: results on stdout, one line a fault on stderr."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from knuckle.errors import SettingsError


class ReaderGoneError(Exception):
    """Nobody reads the standard output any more, as after `| head`."""


def say(text: str) -> None:
    """Prints text on stdout now, so that a reader of a pipe has it as soon as it is known."""
    try:
        print(_printable(text, sys.stdout.encoding), flush=True)
    except OSError as error:
        # Python flushes stdout once more when it ends, and that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from None
        raise SettingsError(f"standard output: cannot write ({error.strerror})") from None


def complain(text: str) -> None:
    """One line on stderr."""
    line = " ".join(line.strip() for line in text.splitlines())
    print(_printable(f"knuckle: {line}", sys.stderr.encoding), file=sys.stderr)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yields what counts one more done, on a bar on stderr with rate and time left; total None: without an end.

    Only on a terminal, and for more than one. Lines that are printed meanwhile on the same terminal go above the bar;
    where stdout goes elsewhere, it is left alone.
    """
    if not sys.stderr.isatty() or total == 1:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    columns: list[ProgressColumn] = [
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
    ]
    if total is not None:
        columns.append(TimeRemainingColumn())
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=total, rate="")

        def advance() -> None:
            speed = bar.tasks[task].speed
            bar.update(task, advance=1, rate="" if speed is None else f"{speed:.0f} a second")

        yield advance


def refuse_given(context: typer.Context, names: tuple[str, ...], reason: str) -> None:
    """Refuses options that were given on the command line."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = {"as_json": "json", "limit": "frames"}.get(name, name).replace("_", "-")
            raise SettingsError(f"--{option}: {reason}: leave it out")


def _printable(text: str, encoding: str | None) -> str:
    """Escapes what a stream cannot show, such as names of any bytes; a bar in its place names no encoding."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
