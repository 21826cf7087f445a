"""MANO from the user's file: a small made-up one, since the real one may not be shipped; and what may not be read."""

import io
import os
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from posing import Posing
from test_assets import assert_closed, volume

from knuckle.anatomy import LABELS
from knuckle.errors import SettingsError
from knuckle.synth.assets import BONES, FOREARM, FOREARM_MM, WRIST, asset_version, load_asset
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import PROTOTYPES

BONES_16 = [1, 6, 7, 8, 10, 11, 12, 18, 19, 20, 14, 15, 16, 2, 3, 4]  # MANO's order: index, middle, pinky, ring, thumb
PALM = [0, 1, 5, 9, 13, 17]
PARENTS = [4294967295, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
PLACE_MM = np.array([95.0, 6.0, -6.0])


class Ch:
    """Stands in for chumpy's array; as there, the pickle holds its state."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.dirty = {"x"}


class Select:
    """Stands in for chumpy's choice of elements of another array."""

    def __init__(self, a: Ch, idxs: np.ndarray, preferred_shape: tuple[int, ...]) -> None:
        self.a, self.idxs, self.preferred_shape = a, idxs, preferred_shape


def mano_arrays(side: str = "right") -> dict[str, Any]:
    """MANO's arrays of the MakeHuman hand: cut off at the wrist, in metres, 16 joints, no metacarpals."""
    asset = load_asset("makehuman")
    along = asset.vertices @ (asset.joints[10] / np.linalg.norm(asset.joints[10]))
    faces = asset.faces[(along > -12)[asset.faces].all(axis=1)]
    used, faces = np.unique(faces, return_inverse=True)
    vertices, weights = asset.vertices[used], asset.weights[used]
    weights[:, WRIST] = weights[:, PALM].sum(axis=1)
    regressor = np.zeros((16, len(used)))
    for row, bone in enumerate(BONES_16):
        near = np.argsort(np.linalg.norm(vertices - asset.joints[bone], axis=1))[:24]
        equations = np.vstack([vertices[near].T, np.ones(24)])
        regressor[row, near] = np.linalg.lstsq(equations, [*asset.joints[bone], 1.0], rcond=None)[0]
    flip = np.array([-1.0 if side == "left" else 1.0, 1, 1])
    faces = faces.reshape(-1, 3).astype(np.uint32)
    return {
        "v_template": (vertices + PLACE_MM) * flip / 1000,
        "shapedirs": asset.shape_vertices[:10, used].transpose(1, 2, 0) * flip[:, None] / 1000,
        "J_regressor": scipy.sparse.csc_matrix(regressor),
        "weights": weights[:, BONES_16],
        "f": faces[:, ::-1] if side == "left" else faces,
        "kintree_table": np.array([PARENTS, range(16)], dtype=np.uint32),
        "hands_components": np.eye(45),
        "bs_style": "lbs",
    }


def dumped(model: Any) -> bytes:
    """A pickle as Python 2, chumpy and the SciPy of that time wrote it."""
    modules = {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": types.ModuleType("chumpy.ch")}
    for stand_in in (Ch, Select):
        stand_in.__module__ = "chumpy.ch"
        setattr(modules["chumpy.ch"], stand_in.__name__, stand_in)
    sys.modules.update(modules)
    try:
        data = pickle.dumps(model, protocol=2)
    finally:
        for name in modules:
            del sys.modules[name]
    for new, old in ((b"numpy._core.", b"numpy.core."), (b"scipy.sparse._cs", b"scipy.sparse.cs")):
        data = data.replace(new, old)
    return data


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    return mano_arrays()


@pytest.fixture(scope="module")
def path(arrays: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with each kind of object that MANO's arrays come in."""
    shapes = arrays["shapedirs"]
    wider = Ch(np.concatenate([shapes, shapes], axis=2))  # of which MANO takes the first ten, as chumpy's Select
    chosen = np.arange(wider.x.size).reshape(wider.x.shape)[:, :, :10].ravel()
    model = {**arrays, "v_template": Ch(arrays["v_template"]), "shapedirs": Select(wider, chosen, shapes.shape)}
    path = tmp_path_factory.mktemp("mano") / "MANO_RIGHT.pkl"
    path.write_bytes(dumped(model))
    return path


@pytest.fixture(scope="module")
def mano(path: Path) -> HandModel:
    return HandModel.load(f"mano:{path}")


def test_the_pickle_is_like_the_real_one(path: Path) -> None:
    data = path.read_bytes()
    for name in (
        b"cchumpy.ch\nCh",
        b"cchumpy.ch\nSelect",
        b"cscipy.sparse.csc\ncsc_matrix",
        b"cnumpy.core.multiarray\n",
    ):
        assert name in data


def test_the_hand_is_whole(mano: HandModel) -> None:
    asset = mano.asset
    assert_closed(asset)
    assert 3e5 < volume(asset) < 1.5e6
    np.testing.assert_allclose(asset.joints[WRIST], 0, atol=1e-9)
    np.testing.assert_allclose(asset.shape_joints[:, WRIST], 0, atol=1e-9)
    np.testing.assert_allclose(asset.weights.sum(axis=1), 1, atol=1e-9)
    assert asset.weights.min() >= 0
    assert set(np.unique(mano.face_labels)) == set(range(len(LABELS)))


def test_the_forearm_is_a_sleeve_behind_the_wrist(mano: HandModel) -> None:
    asset = mano.asset
    along = (asset.joints[WRIST] - asset.joints[FOREARM]) / np.linalg.norm(asset.joints[WRIST] - asset.joints[FOREARM])
    reach = asset.vertices @ along
    assert -FOREARM_MM <= reach.min() < -0.9 * FOREARM_MM
    assert (asset.weights[reach < -16, FOREARM] == 1).all()
    assert (asset.weights[reach > 11, FOREARM] == 0).all()
    across = np.linalg.norm(asset.vertices - np.outer(reach, along), axis=1)
    assert 15 < across[reach < -0.9 * FOREARM_MM].max() < 60


def test_it_moves_like_the_rig_that_it_was_made_of(mano: HandModel) -> None:
    """Thumb, index and middle finger turn about the same points; ring and pinky but for their metacarpals' place."""
    origin = HandModel.load("makehuman")
    for name in ("open", "fist", "pinch"):
        chain, expected = (Posing(model)(PROTOTYPES[name]).chain for model in (mano, origin))
        np.testing.assert_allclose(chain[:13], expected[:13], atol=0.5)
        np.testing.assert_allclose(chain[13:], expected[13:], atol=8)


def test_shapes_are_the_file_s(mano: HandModel, arrays: dict[str, Any]) -> None:
    """A shape coefficient moves each vertex and joint as in the file, seen from the wrist."""
    assert mano.asset.shapes.shape == (500, 10)
    assert np.abs(mano.asset.shapes).max() == 2
    np.testing.assert_allclose(mano.asset.shapes.std(axis=0), 0.96, atol=0.1)
    moved = arrays["shapedirs"].transpose(2, 0, 1) * 1000
    joints = np.stack([arrays["J_regressor"].toarray() @ shape for shape in moved])
    np.testing.assert_allclose(mano.asset.shape_joints[:, BONES_16], joints - joints[:, :1], atol=1e-9)
    own = mano.asset.shape_vertices[:, : moved.shape[1]]
    np.testing.assert_allclose(own, moved - joints[:, :1], atol=1e-9)


def test_a_shaped_hand_keeps_its_sleeve(mano: HandModel) -> None:
    for shape in mano.asset.shapes[:5]:
        vertices, joints, tips = mano.shaped(shape, 1.0)
        assert 140 < np.linalg.norm(tips[2]) < 240
        assert np.isfinite(vertices).all()
        assert joints.shape == (BONES, 3)


def test_its_version_is_the_file_s(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pkl"
    other.write_bytes(path.read_bytes() + b" ")
    assert asset_version(f"mano:{path}") == asset_version(f"mano:{path}")
    assert len(asset_version(f"mano:{path}")) == 16
    assert asset_version(f"mano:{path}") != asset_version(f"mano:{other}")


def test_it_is_not_copied_to_the_cache(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNUCKLE_CACHE", str(tmp_path))
    load_asset(f"mano:{path}")
    assert list(tmp_path.iterdir()) == []


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_asset(f"mano:{path}")
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert "MANO_RIGHT.pkl of mano.is.tue.mpg.de" in message
    return message


class Runs:
    """What an attacker pickles: a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (os.system, f"{os.name}.system"),
        (eval, "__builtin__.eval|builtins.eval"),
        (io.open, "io.open|_io.open"),
        (np.load, "numpy.load"),
        (getattr, "__builtin__.getattr|builtins.getattr"),
    ],
)
def test_a_pickle_that_runs_something_is_refused_by_name(
    arrays: dict[str, Any], tmp_path: Path, function: Any, named: str
) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(dumped({**arrays, "v_template": Runs(function, f"touch {tmp_path}/ran")}))
    message = refusal(path)
    assert any(name in message for name in named.split("|"))
    assert not (tmp_path / "ran").exists()


def test_what_hides_behind_an_allowed_module_is_refused_too(tmp_path: Path) -> None:
    for module, name in (("numpy.core.multiarray", "fromfile"), ("builtins", "exec"), ("copyreg", "add_extension")):
        path = tmp_path / f"{name}.pkl"
        path.write_bytes(f"c{module}\n{name}\n.".encode())
        assert f"{module}.{name}" in refusal(path)


def test_a_left_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "MANO_LEFT.pkl"
    path.write_bytes(dumped(mano_arrays("left")))
    assert "left hand" in refusal(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("v_template", np.zeros((5, 2))),
        ("v_template", "text"),
        ("shapedirs", np.zeros((7, 3, 10))),
        ("weights", None),
        ("f", np.array([[0, 1, 99999]])),
        ("kintree_table", np.zeros((2, 16), dtype=int)),
        ("J_regressor", np.full((16, 3), np.nan)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, Any], tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(dumped({**arrays, key: value}))
    assert "is not a MANO hand" in refusal(path)


@pytest.mark.parametrize("key", ["v_template", "shapedirs", "J_regressor", "weights", "f", "kintree_table"])
def test_a_missing_array_is_named(arrays: dict[str, Any], tmp_path: Path, key: str) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(dumped({name: value for name, value in arrays.items() if name != key}))
    assert key in refusal(path)


def test_a_mesh_with_another_hole_is_refused(arrays: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(dumped({**arrays, "f": arrays["f"][:-1]}))
    assert "open at the wrist" in refusal(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "MANO_RIGHT.pkl")
    assert "cannot be read" in refusal(tmp_path)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_refused(path: Path, tmp_path: Path, share: float) -> None:
    data = path.read_bytes()
    (tmp_path / "cut.pkl").write_bytes(data[: int(share * len(data))])
    refusal(tmp_path / "cut.pkl")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
@example(b"I1\n.")
@example(b"}.")
@example(b"cnumpy\nndarray\n.")
def test_any_other_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "foreign.pkl").write_bytes(data)
    refusal(tmp_path / "foreign.pkl")
