"""The Zarr store: what goes in comes out, and nothing else is taken for it."""

import json
from dataclasses import fields
from itertools import count as numbers
from pathlib import Path

import fsspec
import numpy as np
import pytest
import zarr
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.data.memory import TrainingData
from knuckle.data.sample import DEPTH_STEPS, Sample, depth_from_steps, depth_to_steps
from knuckle.data.store import SHARD, SampleStore
from knuckle.errors import StoreError

MADE_BY = {"recipe": {"hand": "soma", "mix": (0.5, 0.5)}, "seed": 3}
FIELDS = [field.name for field in fields(Sample)]
UNITS = st.floats(-1, 1, width=32)


def random_rows(count: int, seed: int = 0) -> dict[str, NDArray]:
    """Stacked samples; their depth is on the store's steps, so that it comes back to the bit."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(-DEPTH_STEPS, DEPTH_STEPS, size=(count, 48, 48), endpoint=True, dtype=np.int16)
    return {
        "depth": depth_from_steps(steps),
        "parts": rng.integers(21, size=(count, 48, 48), dtype=np.uint8),
        "joints": rng.normal(size=(count, 21, 3)).astype(np.float32) * 60 + np.float32([0, 0, 500]),
        "joints14": rng.normal(size=(count, 14, 3)).astype(np.float32),
        "center": np.tile(np.float32([5, -10, 500]), (count, 1)),
        "cube_mm": np.full(count, 250, dtype=np.float32),
        "camera": np.tile(np.float32([500, 500, 319.5, 239.5, 640, 480]), (count, 1)),
        "side": rng.integers(2, size=count, dtype=np.uint8),
        "seed": rng.integers(1000, size=(count, 2)),
    }


def fill(store: SampleStore, rows: dict[str, NDArray]) -> None:
    """Writes what is missing, the last shard first."""
    for shard in reversed(store.missing_shards()):
        indices = store.shard_range(shard)
        store.write_shard(shard, {name: values[indices.start : indices.stop] for name, values in rows.items()})


def filled(url: Path | str, count: int = 10, seed: int = 0, shard: int = 4) -> dict[str, NDArray]:
    """Writes a store of random samples; returns them."""
    rows = random_rows(count, seed)
    fill(SampleStore.create(url, count, MADE_BY, shard), rows)
    return rows


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(error: Exception, path: Path | str) -> None:
    assert "\n" not in str(error)
    assert str(path) in str(error)


memory_names = (f"memory://{number}.zarr" for number in numbers())


@pytest.fixture(params=["folder", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A free place of each kind."""
    if request.param == "memory":
        return next(memory_names)
    return f"{'file://' if request.param == 'file' else ''}{tmp_path / 'a.zarr'}"


def test_what_goes_in_comes_out(url: str) -> None:
    rows = filled(url)
    store = SampleStore.open(url)
    assert len(store) == 10
    assert store.attributes == {"layout": 4, "count": 10, "shard": 4, **json.loads(json.dumps(MADE_BY))}
    assert store.missing_shards() == []
    assert set(rows) == set(FIELDS)
    for name, expected in rows.items():
        found = store.read(name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_a_memory_store_is_in_memory() -> None:
    url = next(memory_names)
    filled(f"{url}/source")
    assert fsspec.filesystem("memory").exists(f"{url}/source/depth/c/0/0/0")


def test_groups_of_one_store_do_not_touch(url: str) -> None:
    rows = {group: filled(f"{url}/{group}", seed=seed) for seed, group in enumerate(("source", "target-test"))}
    for group, expected in rows.items():
        np.testing.assert_array_equal(SampleStore.open(f"{url}/{group}/").read("joints"), expected["joints"])
    root = zarr.open_group(url, mode="r")  # the whole is one Zarr hierarchy that any reader can walk
    assert sorted(root.group_keys()) == ["source", "target-test"]
    with pytest.raises(StoreError, match="not a store of samples in layout"):
        SampleStore.open(url)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[SampleStore, dict[str, NDArray]]:
    """A store of 300 samples whose shards hold several chunks, and a plain copy of its rows."""
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    rows = filled(path, 300, shard=128)
    return SampleStore.open(path), rows


@given(st.sampled_from(FIELDS), st.integers(-400, 400), st.none() | st.integers(-400, 400))
@example("depth", 127, 129)
@example("side", 300, None)
@example("joints", 5, 5)
@example("joints", 64, 3)
def test_a_range_is_the_slice_of_an_array(
    written: tuple[SampleStore, dict[str, NDArray]], name: str, start: int, stop: int | None
) -> None:
    store, rows = written
    np.testing.assert_array_equal(store.read(name, start, stop), rows[name][start:stop])


@given(
    st.lists(UNITS | st.sampled_from([-1.0, 0.0, 1.0, float(np.nextafter(np.float32(1), np.float32(0)))]), min_size=1)
)
def test_depth_is_kept_to_a_hundredth_of_a_millimetre(values: list[float]) -> None:
    depth = np.array(values, dtype=np.float32)
    kept = depth_from_steps(depth_to_steps(depth))
    assert kept.dtype == np.float32
    assert (np.abs(kept.astype(float) - depth) * 125).max() <= 0.01  # mm in a cube of 250 mm
    assert ((kept == 1) == (depth == 1)).all()  # nothing becomes background, and background stays it
    exact = np.isin(depth, [-1, 0, 1])
    np.testing.assert_array_equal(kept[exact], depth[exact])
    np.testing.assert_array_equal(depth_to_steps(kept), depth_to_steps(depth))


@pytest.mark.parametrize("wrong", [1.01, -1.01, np.nan, np.inf])
def test_depth_outside_the_cube_is_refused(wrong: float) -> None:
    with pytest.raises(StoreError, match="depth must lie in"):
        depth_to_steps(np.float32([0, wrong]))


def test_other_readers_find_the_scale_of_depth(tmp_path: Path) -> None:
    rows = filled(tmp_path / "a.zarr")
    array = zarr.open_array(str(tmp_path / "a.zarr" / "depth"), mode="r")
    scale = array.attrs["scale_factor"]
    assert isinstance(scale, float)
    np.testing.assert_allclose(np.asarray(array[:]) * scale, rows["depth"], atol=1e-7)


def test_a_shard_is_one_file_of_each_array(tmp_path: Path) -> None:
    filled(tmp_path / "a.zarr")
    assert sorted(path.name for path in (tmp_path / "a.zarr" / "depth" / "c").iterdir()) == ["0", "1", "2"]
    assert len([path for path in (tmp_path / "a.zarr" / "joints").rglob("*") if path.is_file()]) == 3 + 1
    assert SampleStore.create(tmp_path / "b.zarr", SHARD + 1, MADE_BY).missing_shards() == [0, 1]


def test_shards_cover_every_sample_once(tmp_path: Path) -> None:
    store = SampleStore.create(tmp_path / "a.zarr", 10, MADE_BY, shard=4)
    assert store.missing_shards() == [0, 1, 2]
    assert [index for shard in range(3) for index in store.shard_range(shard)] == list(range(10))


def test_the_same_order_opens_it_again(url: str) -> None:
    store = SampleStore.create(url, 10, MADE_BY, shard=4)
    store.write_shard(1, random_rows(4))
    assert SampleStore.create(url, 10, MADE_BY, shard=4).missing_shards() == [0, 2]


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ((11, MADE_BY, 4), "count 10, not 11"),
        ((10, {**MADE_BY, "seed": 4}, 4), "seed 3, not 4"),
        ((10, {"recipe": MADE_BY["recipe"]}, 4), "seed 3, not None"),
        ((10, {**MADE_BY, "mood": "good"}, 4), "mood None, not 'good'"),
        ((10, MADE_BY, 8), "shard 4, not 8"),
    ],
)
def test_another_order_is_refused(tmp_path: Path, order: tuple, named: str) -> None:
    path = tmp_path / "a.zarr"
    filled(path)
    before = files(path)
    with pytest.raises(StoreError, match=f"holds other samples .{named}") as caught:
        SampleStore.create(path, *order)
    assert_one_line(caught.value, path)
    assert files(path) == before


def test_an_unfinished_store_is_not_read(url: str) -> None:
    store = SampleStore.create(url, 10, MADE_BY, shard=4)
    store.write_shard(1, random_rows(4))
    with pytest.raises(StoreError, match="2 shards were never written: run the command that makes it again") as caught:
        store.read("depth")
    assert_one_line(caught.value, url.removeprefix("file://"))
    for start, stop in ((0, 4), (3, 5), (7, 9), (-3, -1)):
        with pytest.raises(StoreError, match="1 shards"):
            store.read("depth", start, stop)
    assert len(store.read("depth", 4, 8)) == 4
    assert len(store.read("depth", 2, 2)) == 0
    store.write_shard(0, random_rows(4))
    store.write_shard(2, random_rows(2))
    assert len(store.read("depth")) == 10


@pytest.mark.parametrize("torn", [0, 2])  # the last one is shorter than a whole shard
def test_a_half_written_shard_is_written_anew(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "a.zarr"
    rows = filled(path)
    before = files(path)
    for name in ("depth", "side"):
        shard = next(
            found for found in (path / name / "c" / str(torn), *(path / name).rglob(f"c/{torn}/0/0")) if found.is_file()
        )
        shard.write_bytes(shard.read_bytes()[:-7])
    (path / "done" / "c" / str(torn)).unlink()
    (path / "joints" / "c" / str(torn) / "0" / "0.1234.partial").write_bytes(b"half")
    with SampleStore.completing(path, 10, MADE_BY, shard=4) as store:
        assert store.missing_shards() == [torn]
        fill(store, rows)
    assert files(path) == before


def test_a_shard_counts_only_when_all_of_it_is_written(url: str) -> None:
    store = SampleStore.create(url, 10, MADE_BY, shard=4)
    with pytest.raises(TypeError):  # the last of its arrays cannot be written
        store.write_shard(1, random_rows(4) | {"seed": np.full((4, 2), None)})
    assert store.missing_shards() == [0, 1, 2]


@pytest.mark.parametrize("kept", range(13))
def test_a_creation_cut_short_is_completed(tmp_path: Path, kept: int) -> None:
    """Killed after each of its writes: what is there is refused for reading, and completed by the same order."""
    rows = filled(tmp_path / "whole.zarr")
    path = tmp_path / "a.zarr"
    SampleStore.create(path, 10, MADE_BY, shard=4)
    written = sorted((found for found in path.rglob("zarr.json")), key=lambda found: found.stat().st_mtime_ns)
    assert len(written) == 12
    for found in reversed(written[kept:]):
        found.unlink()
        found.parent.rmdir()
    path.mkdir(exist_ok=True)
    (path / "zarr.1234.partial").write_bytes(b"{")
    if kept < 12:
        with pytest.raises(StoreError, match=r"run the command that makes it again|nothing there"):
            SampleStore.open(path)
    with SampleStore.completing(path, 10, MADE_BY, shard=4) as store:
        fill(store, rows)
    assert files(path) == files(tmp_path / "whole.zarr")


@pytest.mark.parametrize("group", ["", "/source", "/a/b"])
def test_a_store_is_completed_by_one_process_at_a_time(tmp_path: Path, group: str) -> None:
    root = tmp_path / "a.zarr"
    place = f"{root}{group}"
    with SampleStore.completing(place, 10, MADE_BY, shard=4) as store:
        with (
            pytest.raises(StoreError, match=r"a\.zarr.*: another process is writing there \(process \d+") as caught,
            SampleStore.completing(place, 10, MADE_BY, shard=4),
        ):
            pytest.fail("both write")
        assert_one_line(caught.value, str(root))
        with SampleStore.completing(tmp_path / "a.zarr" / "other", 10, MADE_BY, shard=4):
            pass  # another group is another store
        fill(store, random_rows(10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr"]


def test_a_whole_store_locks_nothing_unless_it_is_to_be_mended(tmp_path: Path) -> None:
    filled(tmp_path / "a.zarr")
    with SampleStore.completing(tmp_path / "a.zarr", 10, MADE_BY, shard=4):
        assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    with SampleStore.completing(tmp_path / "a.zarr", 10, MADE_BY, shard=4, mend=True):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".a.zarr.lock", "a.zarr"]


def test_arrays_of_another_shape_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    store = SampleStore.create(tmp_path / "a.zarr", 10, MADE_BY, shard=4)
    before = files(tmp_path)
    with pytest.raises(StoreError, match=r"joints of shard 0 must be \(4, 21, 3\), not \(4, 20, 3\)"):
        store.write_shard(0, random_rows(4) | {"joints": np.zeros((4, 20, 3), dtype=np.float32)})
    with pytest.raises(StoreError, match="depth of shard 2 must be"):
        store.write_shard(2, random_rows(4))
    assert files(tmp_path) == before


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    filled(tmp_path / "a.zarr")
    before = files(tmp_path)
    with pytest.raises(StoreError, match="opened for reading"):
        SampleStore.open(tmp_path / "a.zarr").write_shard(1, random_rows(4, seed=9))
    assert files(tmp_path) == before


def test_a_missing_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="not a store of samples") as caught:
        SampleStore.open(url)
    assert_one_line(caught.value, url.removeprefix("file://"))
    assert "memory" in url or not Path(url.removeprefix("file://")).exists()


@pytest.mark.parametrize(("url", "reason"), [("nope://a.zarr", "nope"), ("/dev/null/a.zarr", "directory")])
def test_an_impossible_place_is_refused(url: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason) as caught:
        SampleStore.create(url, 10, MADE_BY)
    assert_one_line(caught.value, url)


def test_an_empty_folder_is_a_free_place(tmp_path: Path) -> None:
    filled(tmp_path)
    assert len(SampleStore.open(tmp_path)) == 10


def foreign_folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("not yours")


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
        SampleStore.open(path) if use == "open" else SampleStore.create(path, 10, MADE_BY, shard=4)
    assert_one_line(caught.value, path)


def test_training_data_joins_stores_in_crop_coordinates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knuckle.data.memory.SHARD", 3)  # read in several pieces
    first, second = filled(tmp_path / "a.zarr", 10), filled(tmp_path / "b.zarr", 3, seed=1)
    data = TrainingData.load(tmp_path / "a.zarr", str(tmp_path / "b.zarr"))
    assert len(data) == 13
    assert (data.depth.dtype, data.parts.dtype, data.joints.dtype) == (np.float16, np.uint8, np.float32)
    depth, parts, joints = (np.concatenate([first[name], second[name]]) for name in ("depth", "parts", "joints"))
    assert np.abs(data.depth - depth).max() * 125 <= 0.06  # mm
    np.testing.assert_array_equal(data.parts, parts)
    np.testing.assert_allclose(data.joints_mm(), joints, atol=1e-3)
    np.testing.assert_allclose(data[3:9].joints_mm(), joints[3:9], atol=1e-3)
    np.testing.assert_allclose(data.joints[..., 2] * 125 + 500, joints[..., 2], atol=1e-3)


def test_training_data_refuses_an_unfinished_store(tmp_path: Path) -> None:
    SampleStore.create(tmp_path / "a.zarr", 10, MADE_BY)
    with pytest.raises(StoreError, match="never written"):
        TrainingData.load(tmp_path / "a.zarr")
