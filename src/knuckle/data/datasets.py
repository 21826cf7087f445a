"""Every dataset of real frames by its name."""

from pathlib import Path

from knuckle.data import frames, hands17, icvl, msra15, nyu
from knuckle.data.dataset import Dataset
from knuckle.data.protocol import Protocol
from knuckle.errors import DatasetError

DATASETS: dict[str, type[Dataset]] = {
    kind.name: kind for kind in (nyu.Nyu, icvl.Icvl, msra15.Msra15, hands17.Hands17, frames.Frames)
}

_PROTOCOLS = {module.PROTOCOL.name: module.PROTOCOL for module in (nyu, icvl, msra15, hands17)}


def dataset_kind(name: str) -> type[Dataset]:
    """The class of a dataset. Raises `DatasetError` for an unknown name."""
    if name not in DATASETS:
        raise DatasetError(f"there is no dataset {name!r}: choose {', '.join(DATASETS)}")
    return DATASETS[name]


def open_dataset(name: str, root: str | Path, split: str) -> Dataset:
    """A split of a dataset that was unpacked to a folder. Raises `DatasetError` as `Dataset` does."""
    return dataset_kind(name)(root, split)


def usual_splits(name: str) -> tuple[str, ...]:
    """The splits that make up a whole dataset. Raises `DatasetError` for an unknown name."""
    splits = dataset_kind(name).splits
    return ("all",) if "all" in splits else splits


def protocol_named(name: str) -> Protocol:
    """How a dataset is evaluated, without its files; for "frames" with all of HAND21. Raises `DatasetError`."""
    dataset_kind(name)
    return _PROTOCOLS.get(name) or frames.protocol_of()
