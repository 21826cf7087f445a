"""Hand assets: their arrays, the closed mesh, and the cache that they are built into."""

import importlib.metadata
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from knuckle.errors import MissingExtraError, SettingsError
from knuckle.synth import assets, soma
from knuckle.synth.assets import (
    BONES,
    FOREARM,
    FOREARM_MM,
    WRIST,
    HandAsset,
    anny_version,
    asset_version,
    cache_folder,
    cut_forearm,
    load_asset,
)
from knuckle.synth.hands import HandModel


def test_arrays_fit_together(model: HandModel) -> None:
    asset = model.asset
    count, coefficients = len(asset.vertices), asset.shapes.shape[1]
    assert asset.vertices.shape == (count, 3)
    assert asset.joints.shape == (BONES, 3)
    assert asset.weights.shape == (count, BONES)
    assert asset.faces.min() == 0
    assert asset.faces.max() == count - 1
    assert asset.shape_vertices.shape == (coefficients, count, 3)
    assert asset.shape_joints.shape == (coefficients, BONES, 3)
    np.testing.assert_allclose(asset.joints[WRIST], 0, atol=1e-6)
    np.testing.assert_allclose(asset.weights.sum(axis=1), 1, atol=1e-9)
    assert asset.weights.min() >= 0


def test_sizes_are_those_of_an_adult_hand(model: HandModel) -> None:
    """In mm: from the wrist to the middle finger's tip, and a forearm no longer than what was asked for."""
    joints, vertices = model.asset.joints, model.asset.vertices
    along = (joints[WRIST] - joints[FOREARM]) / np.linalg.norm(joints[WRIST] - joints[FOREARM])
    assert 150 < np.linalg.norm(vertices, axis=1)[model.asset.weights.argmax(axis=1) == 12].max() < 220
    assert -FOREARM_MM <= (vertices @ along).min() < -0.8 * FOREARM_MM


def assert_closed(asset: HandAsset) -> None:
    """Every directed edge has its opposite, and exactly one: there is no hole, and no face is turned inside out."""
    edges = np.concatenate([asset.faces[:, [0, 1]], asset.faces[:, [1, 2]], asset.faces[:, [2, 0]]]).tolist()
    directed = {tuple(edge) for edge in edges}
    assert len(directed) == len(edges)
    assert directed == {(b, a) for a, b in directed}


def volume(asset: HandAsset) -> float:
    """Signed volume, mm³: positive if the faces are turned outward."""
    a, b, c = asset.vertices[asset.faces].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def test_the_mesh_is_closed_and_turned_outward(model: HandModel) -> None:
    assert_closed(model.asset)
    assert 3e5 < volume(model.asset) < 1.5e6  # a hand with half a forearm: about a litre


def test_a_cut_through_the_forearm_is_closed(model: HandModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "FOREARM_MM", 60.0)
    short = cut_forearm(model.asset)
    along = (short.joints[WRIST] - short.joints[FOREARM]) / np.linalg.norm(short.joints[WRIST] - short.joints[FOREARM])
    assert (short.vertices @ along).min() >= -60
    assert_closed(short)
    assert 1e5 < volume(short) < volume(model.asset)
    np.testing.assert_allclose(short.weights.sum(axis=1), 1, atol=1e-9)
    assert short.shape_vertices.shape == (model.asset.shapes.shape[1], *short.vertices.shape)


def test_the_configured_cache_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNUCKLE_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("KNUCKLE_CACHE")
    assert cache_folder() != tmp_path / "cache"
    assert "knuckle" in str(cache_folder())


def test_an_asset_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNUCKLE_CACHE", str(tmp_path))
    built = load_asset("soma")
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]  # no half-written file is left

    def fail() -> HandAsset:
        raise AssertionError("built a second time")

    monkeypatch.setattr(soma, "build", fail)
    again = load_asset("soma")
    for field in fields(HandAsset):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(built, field.name))


@pytest.mark.parametrize(
    "damage", ["cut", "emptied", "foreign", "other arrays", "other faces", "other shape", "scribbled"]
)
def test_a_damaged_cached_asset_is_built_anew(tmp_path: Path, damage: str) -> None:
    built = load_asset("soma", tmp_path)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "other arrays":
        np.savez(path, vertices=built.vertices)
    elif damage in ("other faces", "other shape"):  # compiled code would read beyond the vertices
        arrays = {field.name: getattr(built, field.name) for field in fields(HandAsset)}
        other = {"faces": built.faces + 1} if damage == "other faces" else {"weights": built.weights[:-1]}
        np.savez_compressed(path, **{**arrays, **other})
    else:
        data[len(data) // 3 : len(data) // 3 + 64] = bytes(64)
        path.write_bytes({"cut": data[:1000], "emptied": b"", "foreign": b"not an archive", "scribbled": data}[damage])
    again = load_asset("soma", tmp_path)
    for field in fields(HandAsset):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(built, field.name))
    assert list(tmp_path.iterdir()) == [path]
    with np.load(path) as arrays:
        assert set(arrays) == {field.name for field in fields(HandAsset)}


@pytest.mark.parametrize("name", ["makehuman", "soma"])
def test_the_version_of_a_built_hand_is_anny_s(name: str) -> None:
    assert asset_version(name) == anny_version() == importlib.metadata.version("anny")


@pytest.mark.parametrize("name", ["mano", "mano:", "soma:x", "MANO:x"])
def test_only_mano_takes_a_path(name: str) -> None:
    with pytest.raises(SettingsError):
        load_asset(name)


def test_an_unknown_hand_is_refused_by_name() -> None:
    with pytest.raises(
        SettingsError, match=r"^there is no hand called 'foot': choose one of makehuman, soma, mano:PATH$"
    ):
        load_asset("foot")


def test_without_anny_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(assets.importlib.metadata, "version", missing)
    with pytest.raises(MissingExtraError, match=r"knuckle\[train\]"):
        anny_version()
