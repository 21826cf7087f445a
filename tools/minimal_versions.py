"""The lowest versions that pyproject.toml allows, as constraints for pip: `make test-minimal` tests with them.

    python tools/minimal_versions.py > minimal.txt && pip install -c minimal.txt -e '.[train,view,ros,distributed,test]'

A bound is taken as it stands, so it must be a version that there is: `>=4.10` asks for 4.10 itself.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_BOUNDS = (">=", "==", "~=")


def main() -> None:
    """Prints a line for each package."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    every = [project["dependencies"], *project["optional-dependencies"].values()]
    print("\n".join(lowest(line for lines in every for line in lines)))


def lowest(requirements: Iterable[str]) -> list[str]:
    """`name==bound` for requirements as pyproject.toml writes them, by name; without knuckle's own extras.

    Raises `ValueError` for a requirement without a lower bound: nobody would know what it was tested with.
    """
    wanted = [Requirement(line) for line in requirements]
    return sorted({f"{found.name}=={_bound(found)}" for found in wanted if found.name != "knuckle"}, key=str.lower)


def _bound(requirement: Requirement) -> str:
    for specifier in requirement.specifier:
        if specifier.operator in _BOUNDS:
            return specifier.version
    raise ValueError(f"{requirement}: has no lower bound in {PROJECT.name}: add one, with its reason")


if __name__ == "__main__":
    main()
