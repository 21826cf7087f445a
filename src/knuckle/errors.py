"""The exceptions of knuckle: one family, so that a caller can catch all of them with `KnuckleError`.

Every message names the file or the value that is wrong and what to do about it.
"""


class KnuckleError(Exception):
    """Base of every error that knuckle raises on purpose."""


class DepthError(KnuckleError, ValueError):
    """A depth image is missing, damaged, of the wrong kind or of an impossible range."""


class CameraError(KnuckleError, ValueError):
    """Camera intrinsics are missing, damaged, impossible, or do not fit the image."""


class SettingsError(KnuckleError, ValueError):
    """An option, an argument or a recipe has an unknown key or a value out of range."""


class WeightsError(KnuckleError, ValueError):
    """A network file is missing, damaged or not one of knuckle's."""


class StoreError(KnuckleError, ValueError):
    """A store of samples is missing, damaged or of another layout."""


class DatasetError(KnuckleError, ValueError):
    """A dataset's folder, labels, centres or predictions are missing, damaged, or do not fit each other."""


class SourceError(KnuckleError):
    """A source of frames cannot be opened or has stopped giving frames, or a recording of it cannot be written."""


class DictionaryError(KnuckleError, ValueError):
    """A dictionary of label patches is missing, damaged, foreign or of another version."""


class AdaptError(KnuckleError):
    """Networks that were trained on somebody's frames did not become better on others."""


class MissingExtraError(KnuckleError, ImportError):
    """A command needs an optional part of knuckle that is not installed."""

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(f"{module!r} is not installed: run  pip install 'knuckle[{extra}]'")
        self.extra = extra
        self.module = module
