"""What commands print: results on stdout, one line a fault on stderr."""

import os
import sys

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


def refuse_given(context: typer.Context, names: tuple[str, ...], reason: str) -> None:
    """Refuses options that were given on the command line."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = {"as_json": "json"}.get(name, name).replace("_", "-")
            raise SettingsError(f"--{option}: {reason}: leave it out")


def _printable(text: str, encoding: str) -> str:
    """Escapes what a stream cannot show: names of files may hold any bytes."""
    return text.encode(encoding, "backslashreplace").decode(encoding)
