"""The depth images of a folder, in the order of their numbers."""

import re
from pathlib import Path

IMAGES = (".png", ".npy", ".bin")
"""How their names end, in any case of the letters."""


def depth_images(folder: str | Path) -> list[Path]:
    """Its files that are named as depth images, 2.png before 10.png. Raises `OSError` if it cannot be listed."""
    return sorted((path for path in Path(folder).iterdir() if path.suffix.lower() in IMAGES), key=by_number)


def by_number(path: Path) -> tuple[list[str | int], str]:
    """What names are sorted by: numbers in them as numbers, then the name, which tells 1.png and 01.png apart."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], path.name
