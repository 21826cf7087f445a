"""What several tests share: the folder of real frames, and how hypothesis runs."""

import os
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("knuckle", deadline=None, print_blob=True)  # machines of any speed run this
hypothesis.settings.load_profile("knuckle")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real depth frames, which may not be shipped; without it the test is skipped."""
    folder = Path(os.environ.get("KNUCKLE_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real frames at {folder}: set KNUCKLE_SHARED_DATA to their folder")
    return folder
