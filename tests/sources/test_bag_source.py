"""ROS bags of both versions and MCAP, written by rosbags and read back."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore
from sourcing import CAMERA, OTHER, good, some_steps

from knuckle.camera import Camera
from knuckle.errors import CameraError, DepthError, MissingExtraError, SettingsError, SourceError
from knuckle.sources import open_source
from knuckle.sources.bag import BagSource
from knuckle.sources.source import BadFrame, LiveFrame

KINDS = ("ros1", "ros2", "mcap", "mcap-file")
BIG = sys.byteorder == "big"
STORE1, STORE2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_HUMBLE)
START = 1_700_000_000  # s


class Bag:
    """A bag that is being written. Messages go to topics by name; times are seconds after START."""

    def __init__(self, path: Path, kind: str) -> None:
        self.is1, self.path = kind == "ros1", path / ("a.bag" if kind == "ros1" else "bag")
        self.store = STORE1 if self.is1 else STORE2
        plugin = StoragePlugin.SQLITE3 if kind == "ros2" else StoragePlugin.MCAP
        self.writer: Any = Writer1(self.path) if self.is1 else Writer2(self.path, version=9, storage_plugin=plugin)
        self.writer.open()
        self.topics: dict[str, Any] = {}
        self.kind = kind

    def close(self) -> Path:
        self.writer.close()
        if self.kind == "mcap-file":
            return next(self.path.glob("*.mcap")).rename(self.path.parent / "a.mcap")
        return self.path

    def write(self, topic: str, time: float, message: Any) -> None:
        serialize = self.store.serialize_ros1 if self.is1 else self.store.serialize_cdr
        self.write_raw(topic, time, message.__msgtype__, bytes(serialize(message, message.__msgtype__)))

    def write_raw(self, topic: str, time: float, kind: str, data: bytes) -> None:
        if topic not in self.topics:
            self.topics[topic] = self.writer.add_connection(topic, kind, typestore=self.store)
        self.writer.write(self.topics[topic], int((START + time) * 1e9), data)

    def header(self, time: float | None) -> Any:
        types = self.store.types
        seconds = 0 if time is None else START + int(time)
        nanoseconds = 0 if time is None else round(time % 1 * 1e9)
        stamp = types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
        return types["std_msgs/msg/Header"](*([0] if self.is1 else []), stamp=stamp, frame_id="depth")

    def image(self, values: NDArray, encoding: str, time: float | None, padding: int = 0, big: bool = BIG) -> Any:
        height, width = values.shape
        values = values.astype(values.dtype.newbyteorder(">" if big else "<"))
        rows = np.ascontiguousarray(values).view(np.uint8).reshape(height, -1)
        rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
        make = self.store.types["sensor_msgs/msg/Image"]
        return make(self.header(time), height, width, encoding, int(big), rows.shape[1], rows.ravel())

    def info(self, camera: Camera = CAMERA) -> Any:
        k = np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1])
        types = self.store.types
        region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        upper = {"D": np.zeros(5), "K": k, "R": np.eye(3).ravel(), "P": np.zeros(12)}
        names = upper if self.is1 else {name.lower(): value for name, value in upper.items()}
        return types["sensor_msgs/msg/CameraInfo"](
            header=self.header(0), height=camera.height, width=camera.width, distortion_model="plumb_bob",
            binning_x=0, binning_y=0, roi=region, **names,
        )  # fmt: skip


@pytest.fixture(params=KINDS)
def bag(request: pytest.FixtureRequest, tmp_path: Path) -> Bag:
    return Bag(tmp_path, request.param)


@pytest.fixture
def ros2(tmp_path: Path) -> Bag:
    return Bag(tmp_path, "mcap")


DEPTH, INFO = "/camera/depth/image_rect_raw", "/camera/depth/camera_info"


def write_depths(bag: Bag, steps: NDArray) -> Path:
    """Steps of 1 mm every quarter of a second, from half a second on; messages arrive 0.1 s later."""
    bag.write(INFO, 0, bag.info())
    for index, values in enumerate(steps):
        bag.write(DEPTH, 0.6 + index / 4, bag.image(values, "16UC1", 0.5 + index / 4))
    return bag.close()


def test_sixteen_bits_are_millimetres(bag: Bag) -> None:
    steps = some_steps(5)
    path = write_depths(bag, steps)
    with open_source(str(path)) as source:
        assert isinstance(source, BagSource)
        assert (source.name, len(source)) == (str(path), 5)
        items = list(source.frames())
        assert good(items) == list(range(5))
        for index, item in enumerate(items):
            assert isinstance(item, LiveFrame)
            np.testing.assert_array_equal(item.depth, steps[index].astype(np.float32))
            assert item.timestamp - START == pytest.approx(0.5 + index / 4, abs=1e-6)
            assert source.timestamp(index) == item.timestamp
            assert item.camera == Camera(20.0, 21.0, 7.5, 5.5, 16, 12, 1.0)
        for index in (4, 0, 2):
            np.testing.assert_array_equal(source.frame(index).depth, steps[index])
        with pytest.raises(IndexError):
            source.frame(5)


def test_floats_are_metres(bag: Bag) -> None:
    metres = some_steps(1)[0].astype(np.float32) / 8000
    metres[0, :4] = np.nan, np.inf, -np.inf, 0
    bag.write(DEPTH, 0, bag.image(metres, "32FC1", None))
    bag.write(INFO, 1, bag.info())
    with BagSource(bag.close()) as source:
        frame = source.frame(0)
    assert frame.camera.depth_unit_mm is None
    assert frame.timestamp == START  # the header says nothing
    assert not frame.depth[0, :4].any()
    np.testing.assert_allclose(frame.depth[1:], metres[1:] * 1000, rtol=1e-6)


@pytest.mark.parametrize("big", [False, True])
def test_either_order_of_bytes_and_padded_rows(ros2: Bag, big: bool) -> None:
    steps, metres = some_steps(1)[0], some_steps(1)[0].astype(np.float32) / 1024
    ros2.write(INFO, 0, ros2.info())
    ros2.write(DEPTH, 0, ros2.image(steps, "16UC1", 0.5, padding=3, big=big))
    ros2.write(DEPTH, 1, ros2.image(metres, "32FC1", 1.5, padding=5, big=big))
    with BagSource(ros2.close()) as source:
        np.testing.assert_array_equal(source.frame(0).depth, steps)
        np.testing.assert_array_equal(source.frame(1).depth, metres * np.float32(1000))


def test_messages_of_one_moment_are_told_apart(ros2: Bag) -> None:
    steps = some_steps(4)
    ros2.write(INFO, 0, ros2.info())
    for index, time in enumerate((0, 1, 1, 2)):
        ros2.write(DEPTH, time, ros2.image(steps[index], "16UC1", time + index / 8))
    with BagSource(ros2.close()) as source:
        found = [source.frame(index).depth for index in range(4)]
    np.testing.assert_array_equal(found, steps)


def test_a_bad_message_does_not_end_the_stream(bag: Bag) -> None:
    steps = some_steps(6)
    bag.write(INFO, 0, bag.info())
    images = [bag.image(values, "16UC1", 0.5) for values in steps]
    images[2] = bag.image(steps[2, :6], "16UC1", 0.5)
    images[3].data = images[3].data[:-1]
    images[4] = bag.image(steps[4], "mono16", 0.5)
    for index, image in enumerate(images):
        if index == 1:
            bag.write_raw(DEPTH, index, "sensor_msgs/msg/Image", b"\0\1\0\0torn")
        else:
            bag.write(DEPTH, index, image)
    with BagSource(bag.close()) as source:
        items = list(source.frames())
    assert good(items) == [0, 5]
    faults = [item for item in items if isinstance(item, BadFrame)]
    assert [type(fault.error) for fault in faults] == [DepthError, CameraError, DepthError, DepthError]
    assert faults[0].timestamp == START + 1
    assert "frame 1: damaged" in str(faults[0].error)
    assert "too few" in str(faults[2].error)
    assert "'mono16'" in str(faults[3].error)


def test_the_camera_of_the_nearest_name_is_taken(bag: Bag) -> None:
    bag.write("/camera/color/camera_info", 0, bag.info(OTHER))
    bag.write(INFO, 0, bag.info())
    bag.write("/other/camera_info", 0, bag.info(OTHER))
    bag.write("/camera/color/image_raw", 0, bag.image(np.zeros((12, 48), np.uint8), "rgb8", 0))
    bag.write(DEPTH, 0, bag.image(some_steps(1)[0], "16UC1", 0))
    with BagSource(bag.close()) as source:
        assert source.frame(0).camera.fx == CAMERA.fx


def test_one_of_several_topics_is_chosen_by_name(bag: Bag) -> None:
    steps = some_steps(2)
    bag.write("/a/camera_info", 0, bag.info())
    bag.write("/b/camera_info", 0, bag.info(OTHER))
    bag.write("/a/image", 0, bag.image(steps[0], "16UC1", 0))
    bag.write("/b/image", 0, bag.image(steps[1], "16UC1", 0))
    bag.write("/b/colour", 0, bag.image(np.zeros((12, 48), np.uint8), "rgb8", 0))
    path = bag.close()
    with pytest.raises(SourceError, match=r"several topics.*/a/image, /b/image: choose with  --topic"):
        BagSource(path)
    with open_source(str(path), topic="/b/image") as source:
        assert isinstance(source, BagSource)
        np.testing.assert_array_equal(source.frame(0).depth, steps[1])
        assert source.frame(0).camera.fx == OTHER.fx
    with pytest.raises(SourceError, match=r"no images in topic /c.*/a/image, /b/colour, /b/image"):
        BagSource(path, "/c")
    with pytest.raises(SettingsError, match="--camera"):
        open_source(str(path), camera="camera.json")


@pytest.mark.parametrize(
    ("fill", "error", "words"),
    [
        (lambda bag: bag.write(INFO, 0, bag.info()), SourceError, "no depth images .*topics with images: none"),
        (lambda bag: bag.write(DEPTH, 0, bag.image(some_steps(1)[0], "16UC1", 0)), SourceError, "no CameraInfo"),
        (
            lambda bag: (bag.write(INFO, 0, bag.info()), bag.write("/rgb", 0, bag.image(some_steps(1)[0], "bgr8", 0))),
            SourceError,
            "no depth images .*topics with images: /rgb",
        ),
        (
            lambda bag: (
                bag.write(INFO, 0, bag.info(_uncalibrated())),
                bag.write(DEPTH, 0, bag.image(some_steps(1)[0], "16UC1", 0)),
            ),
            CameraError,
            "camera_info: camera: fx",
        ),
    ],
)
def test_a_bag_without_what_is_needed_is_refused(
    bag: Bag, fill: Callable[[Bag], object], error: type[Exception], words: str
) -> None:
    fill(bag)
    with pytest.raises(error, match=words):
        BagSource(bag.close())


def _uncalibrated() -> Camera:
    """A camera driver that was never calibrated sends zeros."""
    camera = Camera(1, 1, 0, 0, 16, 12)
    object.__setattr__(camera, "fx", 0.0)
    return camera


def test_files_that_are_no_bags_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "metadata.yaml").write_text("a: [")
    for name in ("a.bag", "a.mcap", "a.db3", "empty.bag", "empty.mcap", "empty.db3"):
        (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"neither this nor that" * 50)
    for name in ("a.bag", "a.mcap", "a.db3", "empty.bag", "empty.mcap", "empty.db3", "folder", "missing.bag"):
        with pytest.raises(SourceError, match=name):
            BagSource(tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_bag_gives_what_can_be_read_or_is_refused(tmp_path: Path, kind: str) -> None:
    steps = some_steps(40)
    path = write_depths(Bag(tmp_path, kind), steps)
    file = path if path.is_file() else next(path.glob("bag*.*3" if kind == "ros2" else "*.mcap"))
    whole = file.read_bytes()
    outcomes = set()
    for share in np.linspace(0.05, 0.99, 16):
        for damaged in (whole[: int(share * len(whole))], _overwritten(whole, share)):
            file.write_bytes(damaged)
            items: list[LiveFrame | BadFrame] = []
            with suppress(SourceError, CameraError), BagSource(path) as source:
                items = list(source.frames())
            assert len(items) <= 41
            outcomes.add("refused" if not items else "whole" if len(good(items)) == 40 else "partly")
    assert {"refused", "partly"} <= outcomes


def test_after_damage_one_bad_frame_stands_for_the_rest(ros2: Bag, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_depths(ros2, some_steps(5))
    read = AnyReader.messages

    def fail_later(reader: AnyReader, *where: Any) -> Iterator[Any]:
        for count, found in enumerate(read(reader, *where)):
            if count == 3:
                raise ValueError("torn")
            yield found

    monkeypatch.setattr(AnyReader, "messages", fail_later)
    with BagSource(path) as source:
        items = list(source.frames())
    assert good(items) == [0, 1, 2]
    assert len(items) == 4
    assert isinstance(items[3], BadFrame)
    assert "damaged from frame 3 on (torn)" in str(items[3].error)


def _overwritten(data: bytes, share: float) -> bytes:
    at = int(share * len(data))
    return data[:at] + b"\xff" * 64 + data[at + 64 :]


def test_without_rosbags_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rosbags.highlevel", None)
    with pytest.raises(MissingExtraError, match=r"knuckle\[ros\]"):
        BagSource(tmp_path / "a.bag")
