"""Fuzzes a reader's main file guided by what of knuckle's code each input reaches, with atheris (libFuzzer).

    pip install atheris
    python benchmarks/fuzz_guided.py --reader depth-bin [--cases 20000] [--seed 1]

Beside `fuzzing.py`, which knows the formats and needs no instrumentation: this one knows none, and keeps as a start for
further changes whatever reached a line that nothing had reached. The reader's valid file is where it begins. What
counts as a fault is the same; the first one ends it, with exit code 77, and libFuzzer leaves the input as `crash-*`.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import atheris
import typer

with atheris.instrument_imports(include=["knuckle"]):
    from fuzz_readers import MODULES, find_target
    from fuzz_target import FileTarget, checked

_SECONDS, _MEMORY_MB = 10, 2048  # of a case; the whole process


def main(
    reader: Annotated[str, typer.Option(help="Which one.")],
    cases: Annotated[int, typer.Option(min=1)] = 20_000,
    seed: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Fuzzes one reader."""
    if reader not in MODULES:
        raise typer.BadParameter(f"there is no reader {reader!r}: choose {', '.join(MODULES)}")
    with atheris.instrument_imports(include=["knuckle"]):
        target = find_target(reader)
    if not isinstance(target, FileTarget):
        raise typer.BadParameter(f"{reader} reads no files")
    folder = Path(tempfile.mkdtemp(prefix="knuckle-fuzz-"))  # libFuzzer ends the process: nobody could remove it
    target.open(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "valid").write_bytes((target.place / target.main).read_bytes())

    def one(data: bytes) -> None:
        target.put(target.main, data)
        checked(lambda: target.read(target.place))

    limits = [
        f"-runs={cases}",
        f"-seed={seed}",
        f"-timeout={_SECONDS}",
        f"-rss_limit_mb={_MEMORY_MB}",
        "-max_len=65536",
    ]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    typer.run(main)
