"""A source by its name or path, as the command line gives it."""

from pathlib import Path

from knuckle.errors import SettingsError
from knuckle.sources.bag import BagSource
from knuckle.sources.folder import FolderSource
from knuckle.sources.realsense import RealSenseSource
from knuckle.sources.recording import RecordingSource
from knuckle.sources.source import Source
from knuckle.sources.stack import StackSource
from knuckle.sources.synthetic import SyntheticSource

_BAGS = (".bag", ".mcap", ".db3")
_STACKS = (".npy", ".npz")


def open_source(
    text: str, camera: str | Path | None = None, unit_mm: float | None = None, topic: str | None = None
) -> Source:
    """`synthetic`, `realsense`, or a path: folder of depth images or of a ROS 2 bag, .npy, .npz, .zarr, .bag, .mcap.

    camera, unit_mm: as of `FolderSource` and `StackSource`; topic: as of `BagSource`. Raises `SettingsError` for
    another name, or an option that the source has no use for; what the source itself raises.
    """
    kind = _kind(text)
    if kind not in ("folder", "stack"):
        _refuse(text, {"--camera": camera, "--unit-mm": unit_mm}, "brings its own")
    if kind != "bag":
        _refuse(text, {"--topic": topic}, "has no topics")
    if kind == "synthetic":
        return SyntheticSource()
    if kind == "realsense":
        return RealSenseSource()
    if kind == "recording":
        return RecordingSource(text)
    if kind == "bag":
        return BagSource(text, topic)
    return FolderSource(text, camera, unit_mm) if kind == "folder" else StackSource(text, camera, unit_mm)


def _kind(text: str) -> str:
    if text in ("synthetic", "realsense"):
        return text
    path = Path(text)
    try:
        exists, is_folder, is_bag = path.exists(), path.is_dir(), (path / "metadata.yaml").is_file()
    except (OSError, ValueError) as error:  # a name too long, or with a null byte
        raise SettingsError(f"{text!r}: not a path ({error})") from None
    if not exists:
        raise SettingsError(
            f"{text}: there is no such file or folder, and no such sensor: sources are synthetic, realsense, a "
            f"folder of depth images, or {', '.join((*_STACKS, '.zarr', *_BAGS))}"
        )
    ending = path.suffix.lower()
    if is_folder:
        return "bag" if is_bag else "recording" if ending == ".zarr" or (path / "zarr.json").exists() else "folder"
    if ending in _STACKS or ending in _BAGS:
        return "stack" if ending in _STACKS else "bag"
    raise SettingsError(f"{text}: no source of frames: give a folder of depth images, or {', '.join(_STACKS + _BAGS)}")


def _refuse(text: str, options: dict[str, object], reason: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise SettingsError(f"{option}: {text} {reason}: leave it out")
