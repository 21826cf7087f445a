"""A folder of depth images with its camera.json, as `knuckle record` writes it and `--dataset frames` reads it.

*.png, *.npy, *.bin     depth images, in the order of their names, 2.png before 10.png
camera.json             fx, fy, cx, cy, width, height, and depth_unit_mm for the images' unit
timestamps.csv          optional: file,timestamp_s. The frames are then those that it names, in its order
"""

from dataclasses import replace
from pathlib import Path

from knuckle.depth import read_any_depth
from knuckle.depth.listing import IMAGES, depth_images
from knuckle.errors import SourceError
from knuckle.sources.intrinsics import camera_beside
from knuckle.sources.source import FRAME_SECONDS, LiveFrame, RecordedSource
from knuckle.sources.timestamps import TIMES_FILE, read_times


class FolderSource(RecordedSource):
    """The images of a folder, each read when its turn comes.

    camera: a camera file instead of the folder's; unit_mm: millimetres a step of integer images, instead of the camera
    file's depth_unit_mm or 1. Without timestamps.csv the frames are 1/30 s apart.

    Raises `SourceError` for a folder without depth images or camera, or a damaged timestamps.csv; `CameraError`.
    """

    def __init__(self, folder: str | Path, camera: str | Path | None = None, unit_mm: float | None = None) -> None:
        self.name = str(folder)
        root = Path(folder)
        self._paths, self._times = _listed(root)
        intrinsics = camera_beside(root, camera)
        self._unit = unit_mm or intrinsics.depth_unit_mm or 1.0
        # Only PNG is known to be in steps before it is read: a .npy may hold either, a .bin holds floats.
        in_steps = all(path.suffix.lower() == ".png" for path in self._paths)
        self.camera = replace(intrinsics, depth_unit_mm=self._unit if in_steps else None)

    def __len__(self) -> int:
        return len(self._paths)

    def timestamp(self, index: int) -> float:
        self.check_index(index)
        return self._times[index]

    def frame(self, index: int) -> LiveFrame:
        self.check_index(index)
        depth = read_any_depth(self._paths[index], self._unit)
        self.camera.check_image(depth.shape)
        return LiveFrame(self._times[index], depth, self.camera)


def _listed(folder: Path) -> tuple[list[Path], list[float]]:
    """The frames of a folder, and their times in seconds."""
    try:
        paths = depth_images(folder)
    except OSError as error:
        raise SourceError(f"{folder}: cannot list the folder ({error.strerror})") from None
    times = [index * FRAME_SECONDS for index in range(len(paths))]
    file = folder / TIMES_FILE
    if file.exists():
        names, times = read_times(file)
        paths = [folder / name for name in names]
    if not paths:
        raise SourceError(f"{folder}: holds no depth image ({', '.join(f'*{ending}' for ending in IMAGES)})")
    return paths, times
