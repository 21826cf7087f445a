"""Readers of recordings, stores, bags and dictionaries of patches."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Ros2Writer
from rosbags.typesys import Stores, get_typestore

from fuzz_frames import CAMERA, read_frames, steps
from fuzz_target import FileTarget
from knuckle.data.sample import ARRAYS
from knuckle.data.store import SampleStore
from knuckle.restoration.index import PatchIndex, learn_layout
from knuckle.restoration.patches import PatchDictionary
from knuckle.sources.bag import BagSource
from knuckle.sources.recording import RecordingSource, RecordingWriter
from knuckle.sources.source import LiveFrame

DEPTH, INFO = "/camera/depth/image_rect_raw", "/camera/depth/camera_info"


def _recording(folder: Path, unit_mm: float | None = CAMERA.depth_unit_mm) -> None:
    camera = replace(CAMERA, depth_unit_mm=unit_mm)
    writer = RecordingWriter(folder / "a.zarr", camera, "fuzzing")
    for index, image in enumerate(steps(10)):
        writer.add(LiveFrame(index / 4, image.astype(np.float32) * np.float32(0.125), camera))
    writer.close()


def _store(folder: Path) -> None:
    rng = np.random.default_rng(0)
    store = SampleStore.create(folder / "a.zarr", 6, {"made by": "fuzzing"}, shard=4)
    for shard in range(2):
        rows = {name: _rows(rng, name, len(store.shard_range(shard))) for name in ARRAYS}
        store.write_shard(shard, rows)


def _rows(rng: np.random.Generator, name: str, count: int) -> np.ndarray:
    shape, kind = ARRAYS[name]
    if name == "depth":
        return rng.uniform(-1, 1, (count, *shape)).astype(np.float32)
    return rng.integers(0, 2, (count, *shape)).astype(kind)


def _read_store(folder: Path) -> None:
    store = SampleStore.open(folder / "a.zarr")
    _ = store.attributes, len(store)
    store.missing_shards()
    store.require_whole()
    for name in ARRAYS:
        store.read(name, 0, 3)
        store.read(name, -2)


class _Bag:
    """A bag of either version that is being written."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.is1 = kind == "ros1"
        self.store = get_typestore(Stores.ROS1_NOETIC if self.is1 else Stores.ROS2_HUMBLE)
        plugin = StoragePlugin.MCAP if kind.startswith("mcap") else StoragePlugin.SQLITE3
        path = folder / ("a.bag" if self.is1 else "bag")
        self.writer: Any = Ros1Writer(path) if self.is1 else Ros2Writer(path, version=9, storage_plugin=plugin)
        if self.is1:
            self.writer.set_compression(Ros1Writer.CompressionFormat.BZ2)
        elif kind == "mcap-packed":
            self.writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)

    def write(self, topic: str, kind: str, messages: list[Any]) -> None:
        connection = self.writer.add_connection(topic, kind, typestore=self.store)
        serialize = self.store.serialize_ros1 if self.is1 else self.store.serialize_cdr
        for index, message in enumerate(messages):
            self.writer.write(connection, 10**18 + index * 10**8, bytes(serialize(message, kind)))

    def header(self) -> Any:
        types = self.store.types
        stamp = types["builtin_interfaces/msg/Time"](10**9, 0)
        return types["std_msgs/msg/Header"](*([0] if self.is1 else []), stamp=stamp, frame_id="depth")

    def info(self) -> Any:
        types = self.store.types
        k = np.array([CAMERA.fx, 0, CAMERA.cx, 0, CAMERA.fy, CAMERA.cy, 0, 0, 1])
        matrices = {"D": np.zeros(5), "K": k, "R": np.eye(3).ravel(), "P": np.zeros(12)}
        names = matrices if self.is1 else {name.lower(): value for name, value in matrices.items()}
        region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        rest = {"distortion_model": "plumb_bob", "binning_x": 0, "binning_y": 0, "roi": region, **names}
        return types["sensor_msgs/msg/CameraInfo"](
            header=self.header(), height=CAMERA.height, width=CAMERA.width, **rest
        )

    def image(self, values: np.ndarray) -> Any:
        height, width = values.shape
        make = self.store.types["sensor_msgs/msg/Image"]
        return make(self.header(), height, width, "16UC1", 0, 2 * width, values.astype("<u2").view(np.uint8).ravel())


def _bag(kind: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        bag = _Bag(folder, kind)
        with bag.writer:
            bag.write(INFO, "sensor_msgs/msg/CameraInfo", [bag.info()])
            bag.write(DEPTH, "sensor_msgs/msg/Image", [bag.image(image) for image in steps(3)])
        if kind == "mcap-file":
            next((folder / "bag").glob("*.mcap")).rename(folder / "a.mcap")

    return make


def _read_bag(name: str) -> Callable[[Path], object]:
    return lambda folder: read_frames(BagSource(folder / name))


def _dictionary(folder: Path) -> None:
    maps = np.random.default_rng(0).integers(0, 21, (4, 48, 48)).astype(np.uint8)
    layout = learn_layout(maps, 9, np.random.default_rng(0), dimensions=8)
    index = PatchIndex.of(layout, [layout.encode(maps, 0, 9)])
    PatchDictionary.from_maps(maps, 9, {"maps": 4}, index).save(folder / "a.kdict")


def _read_dictionary(folder: Path) -> None:
    """Loaded, and searched: what loading let through must not harm the search, which is compiled code."""
    dictionary = PatchDictionary.load(folder / "a.kdict")
    _ = dictionary.patches
    if dictionary.index is not None:
        dictionary.index.search(np.zeros((2, dictionary.index.centroids.shape[1]), np.float32), 3, 2)


TARGETS = (
    FileTarget("recording", _recording, lambda folder: read_frames(RecordingSource(folder / "a.zarr"))),
    FileTarget(
        "recording-floats",
        lambda folder: _recording(folder, None),
        lambda folder: read_frames(RecordingSource(folder / "a.zarr")),
    ),
    FileTarget("store", _store, _read_store),
    FileTarget("bag-ros1", _bag("ros1"), _read_bag("a.bag")),
    FileTarget("bag-ros2", _bag("ros2"), _read_bag("bag"), ("**/*.db3", "**/*.yaml")),
    FileTarget("bag-mcap", _bag("mcap"), _read_bag("bag"), ("**/*.mcap", "**/*.yaml")),
    FileTarget("bag-mcap-file", _bag("mcap-file"), _read_bag("a.mcap")),
    FileTarget("bag-packed", _bag("mcap-packed"), _read_bag("bag")),
    FileTarget("dictionary", _dictionary, _read_dictionary),
)
