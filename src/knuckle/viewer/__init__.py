"""The live page of `knuckle view`: needs the `view` extra."""

from knuckle.viewer.viewer import HOST, PORT, Viewer

__all__ = ["HOST", "PORT", "Viewer"]
