"""The camera file that goes with frames which do not bring their camera along."""

from pathlib import Path

from knuckle.camera import Camera
from knuckle.errors import SourceError

CAMERA_FILE = "camera.json"


def camera_beside(folder: Path, given: str | Path | None) -> Camera:
    """The camera of a file that was given, else of the folder's camera.json.

    Raises `SourceError` if there is none, and `CameraError` if it cannot be read.
    """
    path = folder / CAMERA_FILE if given is None else Path(given)
    if given is None and not path.exists():
        raise SourceError(
            f"{path}: there is no camera file: write one with fx, fy, cx, cy, width and height, or give  --camera"
        )
    return Camera.load(path)
