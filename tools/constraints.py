"""The exact versions that are installed here and pass the tests, as constraints for pip.

    python tools/constraints.py > constraints.txt

Run it in the environment of `make test`, after its tests have passed. A constraint installs nothing: what only another
platform needs (colorama on Windows, the CUDA packages of torch) is not in the file, and stays free there; what only
this one needs is ignored elsewhere.
"""

import platform

from dependencies import Package, packages

EXTRAS = "train,dev"
"""What `make test` installs."""


def main() -> None:
    """Prints the file."""
    print("\n".join(lines(packages()[0])))


def here() -> str:
    """The platform that the versions are for."""
    return f"Python {'.'.join(platform.python_version_tuple()[:2])} on {platform.system()} {platform.machine()}"


def lines(found: list[Package]) -> list[str]:
    """The file's lines: what it is for, then `name==version` of each package."""
    return [
        f"# Versions that knuckle[{EXTRAS}] was tested with, on {here()}:",
        f"#     pip install -c constraints.txt '.[{EXTRAS}]'",
        "# Made by  make lock  (docs/supply.md). Names that are missing belong to other platforms, and are free there.",
        *(f"{package.name}=={package.version}" for package in found),
    ]


if __name__ == "__main__":
    main()
