"""What a recipe trains, chooses and scores on, in memory; a benchmark is rendered where it is not there yet."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knuckle.data.memory import TrainingData
from knuckle.data.shards import package_version
from knuckle.data.store import SampleStore
from knuckle.errors import SettingsError
from knuckle.pipeline.run import Progress
from knuckle.synth.benchmark import SENSOR_GAP, make_sensor_gap
from knuckle.synth.production import generate
from knuckle.training.recipe import DataSettings, Recipe

_DICTIONARY_SEED = 74_001  # of no group of the benchmark


@dataclass(frozen=True, eq=False)
class RunData:
    """The sets of a recipe; None where it names none. held_out: synthetic hands that nothing was trained on."""

    synthetic: TrainingData
    held_out: TrainingData | None
    train: TrainingData | None
    dev: TrainingData | None
    test: TrainingData | None

    @classmethod
    def load(cls, settings: DataSettings) -> "RunData":
        """Raises `StoreError` for a store that is missing or not whole, `SettingsError` if all is held out, if
        synthetic hands have no parts, or if no real frame has all 21 joints."""
        synthetic = TrainingData.load(*settings.synthetic)
        split = len(synthetic) - settings.held_out
        if split <= 0:
            raise SettingsError(
                f"data.held_out {settings.held_out} leaves nothing of {len(synthetic)} samples: take less"
            )
        if not synthetic.parts_known:
            raise SettingsError(
                "data.synthetic names a store of real frames, whose parts nobody knows: give rendered hands"
            )
        real = [None if place is None else _real_frames(place) for place in _real(settings)]
        return cls(synthetic[:split], synthetic[split:] if settings.held_out else None, *real)


def provide(recipe: Recipe, progress: Progress) -> dict[str, Any]:
    """Renders what is missing of a benchmark; returns what every store was made by, to be noted with the results.

    Raises `SettingsError` without a store of synthetic hands, or where a benchmark's groups are not named as its own.
    """
    settings = recipe.data
    if not settings.synthetic:
        raise SettingsError("data.synthetic is missing: name a store that  knuckle synth  wrote")
    if settings.benchmark is not None:
        root = _benchmark_root(settings)
        total = sum(max(1, round(count * settings.scale)) for _, count, _ in SENSOR_GAP.values())
        done: dict[str, int] = {}

        def tell(group: str, count: int) -> None:
            done[group] = done.get(group, 0) + count
            progress("data", sum(done.values()), total, math.nan)

        make_sensor_gap(root, progress=tell, scale=settings.scale)
        _provide_dictionary_maps(recipe, progress)
    places = [*settings.synthetic, *(place for place in _real(settings) if place is not None)]
    return {"knuckle": package_version(), "stores": {place: SampleStore.open(place).attributes for place in places}}


def dictionary_store(recipe: Recipe) -> tuple[str, ...]:
    """The stores whose part maps fill the dictionary."""
    assert recipe.supervision is not None
    store = recipe.supervision.dictionary.store
    return recipe.data.synthetic if store is None else (store,)


def _provide_dictionary_maps(recipe: Recipe, progress: Progress) -> None:
    """Renders more hands like the benchmark's source, where the recipe wants a larger dictionary than that gives."""
    if recipe.supervision is None or recipe.supervision.dictionary.store is None:
        return
    dictionary = recipe.supervision.dictionary
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress("dictionary maps", done, dictionary.maps, math.nan)

    generate(dictionary.store, SENSOR_GAP["source"][0], dictionary.maps, _DICTIONARY_SEED, progress=tell)  # type: ignore[arg-type]


def _real_frames(place: str) -> TrainingData:
    frames = TrainingData.load(place)
    if not frames.has_hand.any():
        raise SettingsError(f"{place}: no frame has all 21 joints: steps 2 and 3 learn from them")
    return frames


def _real(settings: DataSettings) -> tuple[str | None, str | None, str | None]:
    return settings.train, settings.dev, settings.test


def _benchmark_root(settings: DataSettings) -> str:
    named = {"source": settings.synthetic[0], **dict(zip(list(SENSOR_GAP)[1:], _real(settings), strict=True))}
    root = settings.synthetic[0].rpartition("/")[0]
    for group, place in named.items():
        if place is not None and place != f"{root}/{group}":
            raise SettingsError(
                f"data: {place} is not the group {group} of {root or 'a store'}, as the benchmark has it"
            )
    return str(Path(root)) if "://" not in root else root
