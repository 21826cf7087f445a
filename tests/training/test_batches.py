"""The order of the samples, and the rows of a batch that each process takes."""

import pytest

from knuckle.training.batches import batches, shares
from knuckle.training.processes import Processes
from knuckle.training.recipe import FitSettings

SETTINGS = FitSettings(batch=8, seed=4)
SAMPLES = 20


def drawn(seed: int, steps: int, first: int = 0) -> list[list[int]]:
    settings = SETTINGS.model_copy(update={"seed": seed})
    return [indices.tolist() for indices in batches(SAMPLES, settings, steps, first)]


def test_an_epoch_shows_every_sample_at_most_once() -> None:
    """Two whole batches of 8 make an epoch of 20; the order is new in each, and the four left over differ."""
    found = drawn(0, 60)
    epochs = [found[i] + found[i + 1] for i in range(0, 60, 2)]
    assert all(len(set(epoch)) == 16 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 30
    assert {index for epoch in epochs for index in epoch} == set(range(SAMPLES))


def test_batches_depend_on_seed_and_step_alone() -> None:
    whole = drawn(0, 30)
    for first in (1, 2, 7, 29):
        assert drawn(0, 30, first) == whole[first:]
    assert drawn(0, 10) == whole[:10]  # whatever the length of the run
    assert drawn(1, 30) != whole


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    settings = SETTINGS.model_copy(update={"batch": 64})
    found = [sorted(indices.tolist()) for indices in batches(SAMPLES, settings, 3, 0)]
    assert found == [list(range(SAMPLES))] * 3


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_processes_share_a_batch_without_gaps_or_overlaps(rows: int, parts: int, count: int) -> None:
    taken = [list(shares(rows, parts, Processes(index, count))) for index in range(count)]
    assert sorted(row for own in taken for part in own for row in range(rows)[part]) == list(range(rows))
    sizes = [sum(part.stop - part.start for part in own) for own in taken]
    assert max(sizes) - min(sizes) <= parts
    assert all(part.stop > part.start for own in taken for part in own)


def test_the_parts_of_a_batch_do_not_depend_on_the_number_of_processes() -> None:
    """Neither do the statistics over a part, then."""
    alone = [set(range(13)[part]) for part in shares(13, 3, Processes())]
    of_two = [[set(range(13)[part]) for part in shares(13, 3, Processes(index, 2))] for index in range(2)]
    assert [first | second for first, second in zip(*of_two, strict=True)] == alone
