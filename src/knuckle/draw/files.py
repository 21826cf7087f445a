"""Pictures as files."""

from pathlib import Path

import cv2

from knuckle.draw.colors import Image
from knuckle.draw.images import checked
from knuckle.errors import SettingsError
from knuckle.files import write_whole


def write_image(path: str | Path, image: Image) -> None:
    """Writes a picture (H, W, 3) RGB as PNG or JPEG, by the name's ending, whole or not at all; makes missing folders.

    Raises `SettingsError`, naming the path, if the ending is another, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise SettingsError(f"{path}: a picture is written as .png or .jpg, not {path.suffix or 'without an ending'}")
    encoded = cv2.imencode(path.suffix, cv2.cvtColor(checked(image), cv2.COLOR_RGB2BGR))[1]
    write_whole(path, encoded.tobytes())
