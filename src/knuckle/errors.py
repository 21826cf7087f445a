"""The exceptions of knuckle: one family, so that a caller can catch all of them with `KnuckleError`.

Every message names the file or the value that is wrong and what to do about it, in one line.
"""

import re

_LONGEST = 1000  # characters of a message: a terminal's page

_CONTROLS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*|[\x00-\x1f\x7f-\x9f]")


def shown(value: object) -> str:
    """A value as a message quotes it: its `repr`, cut after 100 characters, or its type where that fails."""
    try:
        text = repr(value)
    except (
        Exception
    ):  # Python refuses to write integers of thousands of digits, and a stranger's object may do anything
        return f"a {type(value).__name__} that cannot be written"
    return text if len(text) <= 100 else f"{text[:100]} ..."


class KnuckleError(Exception):
    """Base of every error that knuckle raises on purpose.

    Messages quote what files hold and what libraries say of them: line breaks and control characters, which could drive
    a terminal, become spaces, and of a very long message the middle is left out.
    """

    def __init__(self, message: str) -> None:
        text = _CONTROLS.sub(" ", message)
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST * 2 // 3]} ... {text[-_LONGEST // 3 :]}"
        super().__init__(text)


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
