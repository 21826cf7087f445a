"""Depth images in ROS 1 and ROS 2 bags and MCAP files, through rosbags, which needs no ROS."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from knuckle.camera import Camera
from knuckle.errors import CameraError, DepthError, KnuckleError, MissingExtraError, SourceError
from knuckle.sources.bag_limits import BoundedPath, bound_unpacking, check_database, check_types
from knuckle.sources.ros_image import ENCODINGS, UNIT_MM, decode_image, image_time
from knuckle.sources.source import LiveFrame, RecordedSource

_IMAGE, _INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"


class _Entry(NamedTuple):
    """Where a frame is: stamp (ns) of its message, number among the messages of that stamp; time in seconds."""

    stamp: int
    number: int
    time: float


class BagSource(RecordedSource):
    """The depth images of one topic, and the first CameraInfo of the topic whose name has most in common with it.

    path: a .bag, .mcap or .db3 file, or the folder of a ROS 2 bag; topic: of the images, sensor_msgs/Image in 16UC1
    (mm) or 32FC1 (m), where the bag holds more than one such. A frame's time is its header's, or else when it was
    recorded. Opening reads the bag once. Where it is damaged, one last frame that cannot be read stands for the rest.
    Lens distortion is ignored: take rectified images.

    Raises `SourceError` for a file that is no such bag, or has no depth image, no CameraInfo, or several topics to
    choose from; `CameraError` for one whose CameraInfo is impossible; `MissingExtraError`.
    """

    def __init__(self, path: str | Path, topic: str | None = None) -> None:
        self.name = str(path)
        self._reader = _open(Path(path))
        self._damage: str | None = None
        self._index: list[_Entry] = []
        try:
            self._connections = self._choose(topic)
            self._camera = self._find_camera()
            self._find_frames()
        except KnuckleError:
            self.close()
            raise
        except Exception as error:  # a damaged bag fails in as many ways as there are formats
            self.close()
            raise SourceError(
                f"{path}: a damaged bag ({error or type(error).__name__}): copy or record it again"
            ) from None

    def __len__(self) -> int:
        return len(self._index)

    def timestamp(self, index: int) -> float:
        self.check_index(index)
        return self._index[index].time

    def frame(self, index: int) -> LiveFrame:
        self.check_index(index)
        depth = decode_image(self._read(index), f"{self.name}, frame {index}")
        self._camera.check_image(depth.shape)
        return LiveFrame(self._index[index].time, depth, self._camera)

    def close(self) -> None:
        self._reader.close()

    def _find_frames(self) -> None:
        """Notes where the frames are; the last one is damaged where the bag is."""
        seen: Counter[int] = Counter()
        try:
            for connection, stamp, data in self._reader.messages(self._connections):
                self._index.append(_Entry(stamp, seen[stamp], self._time(connection, stamp, data)))
                seen[stamp] += 1
        except Exception as error:  # as above
            if not self._index:
                raise
            self._damage = str(error)
            self._index.append(self._index[-1])

    def _time(self, connection: Any, stamp: int, data: bytes) -> float:
        """Seconds: of the message's header, or of its recording where the header says nothing or cannot be read."""
        try:
            return image_time(self._reader.deserialize(data, connection.msgtype)) or stamp / 1e9
        except Exception:  # reading the frame tells what is wrong with it
            return stamp / 1e9

    def _read(self, index: int) -> Any:
        """The image message of a frame."""
        entry = self._index[index]
        if self._damage is not None and index == len(self) - 1:
            raise DepthError(f"{self.name}: damaged from frame {index} on ({self._damage}): copy or record it again")
        try:
            connection, _, data = list(self._reader.messages(self._connections, entry.stamp, entry.stamp + 1))[
                entry.number
            ]
            return self._reader.deserialize(data, connection.msgtype)
        except Exception as error:
            raise DepthError(f"{self.name}, frame {index}: damaged ({error})") from None

    def _choose(self, topic: str | None) -> Sequence[Any]:
        """The connections of the one topic that holds depth images, or of the one that was asked for."""
        images = [each for each in self._reader.connections if each.msgtype == _IMAGE and each.msgcount]
        topics = sorted({each.topic for each in images if topic is None and self._is_depth(each)} or {topic} - {None})
        there = ", ".join(sorted({each.topic for each in images})) or "none"
        if len(topics) > 1:
            raise SourceError(
                f"{self.name}: several topics hold depth images, {', '.join(topics)}: choose with  --topic"
            )
        chosen = [each for each in images if each.topic in topics]
        if not chosen:
            what = f"no images in topic {topic}" if topic else f"no depth images ({' or '.join(ENCODINGS)})"
            raise SourceError(f"{self.name}: holds {what}; topics with images: {there}")
        return chosen

    def _is_depth(self, connection: Any) -> bool:
        return self._first(connection).encoding in ENCODINGS

    def _find_camera(self) -> Camera:
        infos = [each for each in self._reader.connections if each.msgtype == _INFO and each.msgcount]
        if not infos:
            raise SourceError(f"{self.name}: holds no CameraInfo: record it along with the images")
        nearest = max(infos, key=lambda each: _in_common(each.topic, self._connections[0].topic))
        info = self._first(nearest)
        k = info.K if hasattr(info, "K") else info.k  # ROS 1 and ROS 2
        encoding = self._first(self._connections[0]).encoding
        try:
            unit = UNIT_MM if encoding == "16UC1" else None
            return Camera(float(k[0]), float(k[4]), float(k[2]), float(k[5]), int(info.width), int(info.height), unit)
        except CameraError as error:
            raise CameraError(f"{self.name}, {nearest.topic}: {error}") from None

    def _first(self, connection: Any) -> Any:
        """The first message of a connection."""
        _, _, data = next(self._reader.messages([connection]))
        return self._reader.deserialize(data, connection.msgtype)


def _open(path: Path) -> Any:
    """rosbags' reader of any kind of bag, opened."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise MissingExtraError("ros", "rosbags") from None
    if not path.exists():
        raise SourceError(f"{path}: there is no such bag")
    for database in path.glob("*.db3") if path.is_dir() else [path] if path.suffix == ".db3" else []:
        check_database(database)
    bound_unpacking()
    known = [get_typestore(Stores.ROS2_HUMBLE), get_typestore(Stores.ROS1_NOETIC)]
    try:
        reader = AnyReader([BoundedPath(path)], default_typestore=known[0])
        reader.open()
    except Exception as error:  # a file that is no bag fails in as many ways as there are formats
        raise SourceError(f"{path}: no bag that can be read ({error or type(error).__name__})") from None
    try:
        check_types(reader.typestore, known)
    except SourceError as error:
        reader.close()
        raise SourceError(f"{path}: {error}") from None
    return reader


def _in_common(one: str, other: str) -> int:
    """With how many names two topics begin alike."""
    count = 0
    for a, b in zip(PurePosixPath(one).parts, PurePosixPath(other).parts, strict=False):
        if a != b:
            break
        count += 1
    return count
