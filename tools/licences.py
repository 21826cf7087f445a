"""The licences of all that knuckle needs and ships, and what of them a company that ships knuckle must look at.

    python tools/licences.py            # a table of the packages installed here
    python tools/licences.py --core     # of what `pip install knuckle` brings alone

Ends with 1 if a package or a library inside its wheel is under GPL or AGPL and is needed when knuckle runs, whichever
extra brings it, or if the core needs one whose licence is unknown. Development tools are listed and fail nothing.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dependencies import CORE, packages
from licence_kinds import KINDS, bundled, declared, kind_of

ROOT = Path(__file__).resolve().parents[1]
DEVELOPMENT = ("dev", "test")
"""Extras that no user of knuckle installs."""


@dataclass(frozen=True)
class Entry:
    """A thing with a licence. brought_by: extras, `CORE`, or the folder that it lies in."""

    name: str
    version: str
    licence: str
    brought_by: tuple[str, ...]
    bundled: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The strictest of its own licence and of those in its wheel."""
        return min(map(kind_of, (self.licence, *self.bundled.values())), key=KINDS.index)

    @property
    def is_run(self) -> bool:
        """Whether knuckle needs it at run time."""
        return not set(self.brought_by) <= set(DEVELOPMENT)


def main(arguments: list[str]) -> int:
    """Prints the table, then what is to be looked at; returns the exit code."""
    found, missing = packages()
    entries = [
        Entry(one.name, one.version, declared(one.distribution), brought(one.brought_by), bundled(one.distribution))
        for one in found
    ]
    entries += [*shipped(ROOT), *npm(ROOT)]
    if "--core" in arguments:
        entries, missing = [entry for entry in entries if CORE in entry.brought_by], []
    print("| package | version | licence | inside its wheel | brought by |\n|---|---|---|---|---|")
    print("\n".join(map(row, entries)))
    for name in missing:
        print(f"licences: {name}: not installed here, so not looked at", file=sys.stderr)
    for entry in entries:
        if entry.kind != "permissive":
            print(f"licences: {entry.name}: {entry.kind}: {words(entry)}", file=sys.stderr)
    return int(any(map(is_refused, entries)))


def is_refused(entry: Entry) -> bool:
    """Whether a company could not ship it with knuckle."""
    return entry.is_run and (entry.kind == "strong" or (entry.kind == "unknown" and CORE in entry.brought_by))


def brought(extras: list[str]) -> tuple[str, ...]:
    """The extras that matter: the core's packages come with every extra, those of the others with dev."""
    if CORE in extras:
        return (CORE,)
    return tuple(extra for extra in extras if extra not in DEVELOPMENT) or tuple(extras)


def shipped(root: Path) -> Iterator[Entry]:
    """The weights inside the package, with the licence that their card names."""
    card = (root / "src/knuckle/weights/MODEL_CARD.md").read_text(encoding="utf-8")
    found = re.search(r"Licence: ([\w.-]*\w)", card)
    for file in sorted((root / "src/knuckle/weights").glob("*.onnx")):
        yield Entry(file.name, "", found[1] if found else "", (CORE,))


def npm(root: Path) -> Iterator[Entry]:
    """The packages of the JavaScript example, as its lock file has them."""
    lock = json.loads((root / "examples/javascript/package-lock.json").read_text(encoding="utf-8"))
    for path, package in sorted(lock["packages"].items()):
        if path:
            name = path.rpartition("node_modules/")[2]
            yield Entry(name, package["version"], package.get("license", ""), ("examples/javascript",))


def words(entry: Entry) -> str:
    """Its licences, its own and those in its wheel, as one line."""
    return "; ".join([entry.licence or "none declared", *(f"{name} is {said}" for name, said in entry.bundled.items())])


def row(entry: Entry) -> str:
    """A line of the table."""
    inside = ", ".join(f"{name} ({licence})" for name, licence in entry.bundled.items())
    return f"| {entry.name} | {entry.version} | {entry.licence} | {inside} | {', '.join(entry.brought_by)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
