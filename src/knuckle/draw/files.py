"""Pictures as files."""

import os
from pathlib import Path

import cv2

from knuckle.draw.colors import Image
from knuckle.draw.images import checked
from knuckle.errors import SettingsError


def write_image(path: str | Path, image: Image) -> None:
    """Writes a picture (H, W, 3) RGB as PNG or JPEG, by the name's ending, whole or not at all.

    Raises `SettingsError`, naming the path, if the ending is another, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise SettingsError(f"{path}: a picture is written as .png or .jpg, not {path.suffix or 'without an ending'}")
    encoded = cv2.imencode(path.suffix, cv2.cvtColor(checked(image), cv2.COLOR_RGB2BGR))[1]
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(encoded.tobytes())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SettingsError(f"{path}: cannot write the picture ({error.strerror}): does the folder exist?") from None
