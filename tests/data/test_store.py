"""The Zarr store: what goes in comes out, and nothing else is taken for it."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import zarr

from knuckle.data import store as store_module
from knuckle.data.memory import TrainingData
from knuckle.data.store import Sample, SampleStore
from knuckle.errors import StoreError

RECIPE = {"hand": "soma", "seed": 3, "share": 0.5}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CHUNK", 4)


def random_sample(rng: np.random.Generator) -> Sample:
    return Sample(
        depth=rng.uniform(-1, 1, size=(48, 48)).astype(np.float32),
        parts=rng.integers(21, size=(48, 48), dtype=np.uint8),
        joints=rng.normal(size=(21, 3)).astype(np.float32) * 60 + np.float32([0, 0, 500]),
        joints14=rng.normal(size=(14, 3)).astype(np.float32),
        center=np.float32([5, -10, 500]),
        cube_mm=np.float32(250),
        camera=np.float32([500, 500, 319.5, 239.5, 640, 480]),
        side=np.uint8(rng.integers(2)),
        seed=rng.integers(1000, size=2),
    )


def filled(path: Path, count: int = 10, seed: int = 0) -> list[Sample]:
    """Writes a store of random samples; returns them."""
    samples = [random_sample(np.random.default_rng([seed, index])) for index in range(count)]
    store = SampleStore.create(path, count, RECIPE)
    for chunk in reversed(store.missing_chunks()):  # in any order
        store.write_chunk(chunk, [samples[index] for index in store.chunk_range(chunk)])
    return samples


def assert_one_line(error: Exception, path: Path) -> None:
    assert "\n" not in str(error)
    assert str(path) in str(error)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    samples = filled(tmp_path / "a.zarr")
    store = SampleStore.open(tmp_path / "a.zarr")
    assert len(store) == 10
    assert store.recipe == RECIPE
    assert store.missing_chunks() == []
    for field in fields(Sample):
        expected = np.stack([getattr(sample, field.name) for sample in samples])
        found = store.read(field.name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(store.read(field.name, 3, 7), expected[3:7])


def test_chunks_cover_every_sample_once(tmp_path: Path) -> None:
    store = SampleStore.create(tmp_path / "a.zarr", 10, RECIPE)
    assert store.missing_chunks() == [0, 1, 2]
    assert [index for chunk in range(3) for index in store.chunk_range(chunk)] == list(range(10))


def test_the_same_order_opens_it_again(tmp_path: Path) -> None:
    store = SampleStore.create(tmp_path / "a.zarr", 10, RECIPE)
    store.write_chunk(1, [random_sample(np.random.default_rng(0))] * 4)
    assert SampleStore.create(tmp_path / "a.zarr", 10, RECIPE).missing_chunks() == [0, 2]


@pytest.mark.parametrize(("count", "recipe"), [(11, RECIPE), (10, {**RECIPE, "seed": 4}), (10, {})])
def test_another_order_is_refused(tmp_path: Path, count: int, recipe: dict) -> None:
    path = tmp_path / "a.zarr"
    filled(path)
    with pytest.raises(StoreError, match="holds other samples") as caught:
        SampleStore.create(path, count, recipe)
    assert_one_line(caught.value, path)
    assert SampleStore.open(path).missing_chunks() == []


def test_an_unfinished_store_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    store = SampleStore.create(path, 10, RECIPE)
    store.write_chunk(1, [random_sample(np.random.default_rng(0))] * 4)
    with pytest.raises(StoreError, match="2 chunks were never written: run the same  knuckle synth") as caught:
        store.read("depth")
    assert_one_line(caught.value, path)
    for start, stop in ((0, 4), (3, 5), (7, 9)):
        with pytest.raises(StoreError, match="1 chunks"):
            store.read("depth", start, stop)
    assert len(store.read("depth", 4, 8)) == 4


def test_a_missing_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.zarr"
    with pytest.raises(StoreError, match="not a store of samples") as caught:
        SampleStore.open(path)
    assert_one_line(caught.value, path)
    assert not path.exists()


def foreign_folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("not yours")


def empty_folder(path: Path) -> None:
    path.mkdir()


def text_file(path: Path) -> None:
    path.write_text("not a store")


def foreign_zarr(path: Path) -> None:
    zarr.open_group(str(path), mode="w-", zarr_format=3).create_array("x", shape=(3,), dtype="float32")


def foreign_array(path: Path) -> None:
    zarr.create_array(str(path), shape=(3,), dtype="float32")


def damaged_metadata(path: Path) -> None:
    filled(path)
    (path / "zarr.json").write_text('{"zarr_format": 3, "node_type"')


def array_lost(path: Path) -> None:
    filled(path)
    (path / "joints" / "zarr.json").unlink()


def other_layout(path: Path) -> None:
    filled(path)
    zarr.open_group(str(path), mode="r+").attrs["layout"] = 99


@pytest.mark.parametrize(
    "make",
    [
        foreign_folder,
        empty_folder,
        text_file,
        foreign_zarr,
        foreign_array,
        damaged_metadata,
        array_lost,
        other_layout,
    ],
)
@pytest.mark.parametrize("use", ["open", "create"])
def test_what_is_not_a_store_is_refused(tmp_path: Path, make, use: str) -> None:
    path = tmp_path / "a.zarr"
    make(path)
    with pytest.raises(StoreError, match="not a store of samples") as caught:
        SampleStore.open(path) if use == "open" else SampleStore.create(path, 10, RECIPE)
    assert_one_line(caught.value, path)


def test_training_data_joins_stores_in_cube_coordinates(tmp_path: Path) -> None:
    samples = filled(tmp_path / "a.zarr", 10) + filled(tmp_path / "b.zarr", 3, seed=1)
    data = TrainingData.load(tmp_path / "a.zarr", str(tmp_path / "b.zarr"))
    assert len(data) == 13
    assert (data.depth.dtype, data.parts.dtype, data.joints.dtype) == (np.float16, np.uint8, np.float32)
    for index, sample in enumerate(samples):
        assert np.abs(data.depth[index] - sample.depth).max() * 125 <= 0.06  # mm
        np.testing.assert_array_equal(data.parts[index], sample.parts)
        np.testing.assert_allclose(data.joints[index] * 125 + [5, -10, 500], sample.joints, atol=1e-3)


def test_training_data_refuses_an_unfinished_store(tmp_path: Path) -> None:
    SampleStore.create(tmp_path / "a.zarr", 10, RECIPE)
    with pytest.raises(StoreError, match="never written"):
        TrainingData.load(tmp_path / "a.zarr")
