"""Which samples make up each batch, and which rows of it a process takes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from knuckle.training.processes import Processes
from knuckle.training.recipe import FitSettings


def batches(samples: int, settings: FitSettings, steps: int, first: int) -> Iterator[NDArray[np.int64]]:
    """Indices of every batch from step `first` on: each epoch in an order that depends on (seed, epoch) alone."""
    a_epoch = max(1, samples // settings.batch)
    order, epoch = np.empty(0, dtype=np.int64), -1
    for step in range(first, steps):
        if step // a_epoch != epoch:
            epoch = step // a_epoch
            order = np.random.default_rng([settings.seed, epoch]).permutation(samples)
        start = step % a_epoch * settings.batch
        yield order[start : start + settings.batch]


def shares(rows: int, parts: int, peers: Processes) -> Iterator[slice]:
    """This process's rows of each of the parts that a batch is gone through in; a part without any is left out.

    The parts are the same whatever the number of processes, so that statistics over a part's rows are, too.
    """
    for part in range(parts):
        first, end = rows * part // parts, rows * (part + 1) // parts
        mine = peers.share_of(end - first)
        if mine.start < mine.stop:
            yield slice(first + mine.start, first + mine.stop)
