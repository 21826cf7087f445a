"""Where depth frames come from: files, recordings, ROS bags, RealSense, a synthetic hand. One interface: `Source`."""

from knuckle.sources.open import open_source
from knuckle.sources.record import Recorded, record
from knuckle.sources.source import BadFrame, LiveFrame, RecordedSource, Source

__all__ = ["BadFrame", "LiveFrame", "Recorded", "RecordedSource", "Source", "open_source", "record"]
