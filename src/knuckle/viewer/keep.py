"""A look as files that one can go on with: what the page's button gives to the browser."""

import io
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.depth import write_depth
from knuckle.draw import Image
from knuckle.errors import DepthError
from knuckle.predictions import RECORDS, to_record
from knuckle.viewer.watch import Look


def zipped(look: Look, picture: Image) -> bytes:
    """A ZIP of depth.png (in the sensor's unit, or depth.npy where it has none), camera.json, a line for each hand in
    predictions.jsonl, and picture.png; `knuckle predict depth.png --camera camera.json` reads it."""
    with tempfile.TemporaryDirectory(prefix="knuckle-") as name:
        folder = Path(name)
        depth = _write_depth(folder, look)
        look.whole.camera.save(folder / "camera.json")
        lines = [to_record(depth, found.hand) for found in look.hands] or [to_record(depth, None)]
        (folder / RECORDS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "picture.png").write_bytes(_png(picture))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
        return packed.getvalue()


def _write_depth(folder: Path, look: Look) -> Path:
    """The depth file's name in the archive."""
    unit = look.whole.camera.depth_unit_mm
    if unit is not None:
        try:
            write_depth(folder / "depth.png", look.whole.depth, unit)
            return Path("depth.png")
        except DepthError:  # does not fit 16 bits
            pass
    np.save(folder / "depth.npy", look.whole.depth)
    return Path("depth.npy")


def _png(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
