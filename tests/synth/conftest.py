"""The two hands, from the user's cache or built into it once."""

import pytest
from posing import Posing

from knuckle.synth.hands import HandModel


@pytest.fixture(scope="session")
def soma() -> HandModel:
    return HandModel.load("soma")


@pytest.fixture(scope="session", params=["makehuman", "soma"])
def model(request: pytest.FixtureRequest) -> HandModel:
    """Each of the hands in turn."""
    return HandModel.load(request.param)


@pytest.fixture
def posed(model: HandModel) -> Posing:
    return Posing(model)
