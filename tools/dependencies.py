"""What knuckle needs, directly or through others, as the packages installed here say themselves."""

import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CORE = "core"
"""What `pip install knuckle` brings, beside the names of the extras."""


@dataclass
class Package:
    """An installed package; brought_by: the extras of knuckle that need it, or `CORE`."""

    distribution: importlib.metadata.Distribution
    brought_by: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return canonicalize_name(self.distribution.name)

    @property
    def version(self) -> str:
        """Without what a build adds: torch's 2.13.0+cpu and 2.13.0 are one release."""
        return Version(self.distribution.version).public


def extras_of(root: str = "knuckle") -> list[str]:
    """Names of the extras of a package."""
    return importlib.metadata.metadata(root).get_all("Provides-Extra") or []


def packages(root: str = "knuckle") -> tuple[list[Package], list[str]]:
    """All that root and its extras need here, by name, and the names of what they need that is not installed.

    What belongs to other platforms or Python versions is neither.
    """
    found: dict[str, Package] = {}
    missing: set[str] = set()
    for extra in (CORE, *extras_of(root)):
        for name in _reached(root, () if extra == CORE else (extra,)):
            try:
                package = found.setdefault(name, Package(importlib.metadata.distribution(name)))
            except importlib.metadata.PackageNotFoundError:
                missing.add(name)
            else:
                package.brought_by.append(extra)
    return [found[name] for name in sorted(found)], sorted(missing)


def _reached(root: str, extras: Iterable[str]) -> set[str]:
    """Names of all that a package with these extras needs, itself left out."""
    waiting, seen = [(canonicalize_name(root), frozenset(extras))], set()
    while waiting:
        name, wanted = node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting += [(canonicalize_name(one.name), frozenset(one.extras)) for one in _requirements(name, wanted)]
    return {name for name, _ in seen} - {canonicalize_name(root)}


def _requirements(name: str, extras: frozenset[str]) -> list[Requirement]:
    """What a package with these extras asks for on this platform."""
    places = [{"extra": extra} for extra in ("", *extras)]
    return [one for one in _declared(name) if one.marker is None or any(map(one.marker.evaluate, places))]


@cache
def _declared(name: str) -> list[Requirement]:
    """All that a package may ask for; nothing if it is not installed."""
    try:
        return [Requirement(line) for line in importlib.metadata.requires(name) or []]
    except importlib.metadata.PackageNotFoundError:
        return []
