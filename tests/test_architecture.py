"""The walls of the house: which room may know of which. Imports are read from the source, also those inside functions.

A room is a module or a package directly under `knuckle`. The table says what each may import; data flows one way.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import knuckle

PACKAGE = Path(knuckle.__file__).parent

GROUND = {"errors", "files", "numpy_files", "lock", "anatomy", "camera", "depth", "crop", "locate", "metrics", "draw"}
NETWORKS = GROUND | {"layers", "training"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "numpy_files": {"errors"},
    "lock": {"errors", "files"},
    "anatomy": set(),
    "camera": {"errors", "files"},
    "depth": {"errors", "files", "camera", "numpy_files"},
    "crop": {"errors", "camera"},
    "locate": {"errors", "camera", "crop"},
    "metrics": {"errors", "anatomy"},
    "draw": {"errors", "files", "anatomy"},
    "compiled": set(),
    "charts": set(),
    "weights": set(),
    "frames": set(),
    "networks": {"errors", "files", "anatomy", "crop", "weights"},
    "judge": {"errors", "anatomy", "crop"},
    "estimator": GROUND | {"networks", "judge"},
    "predictions": GROUND | {"estimator"},
    "zarr_arrays": set(),
    "sources": GROUND
    | {"zarr_arrays", "synth"},  # one of them renders its hands, and imports synth when it is asked for
    "smoothing": {"errors"},
    "video": {"errors", "files", "draw"},
    "tracking": GROUND | {"estimator", "smoothing"},
    "data": GROUND | {"zarr_arrays"},
    "synth": GROUND
    | {"compiled", "data"},  # it writes its samples into data's store, which knows nothing of where they come from
    "layers": GROUND,
    "training": GROUND,
    "restoration": GROUND | {"compiled"},
    "segmentation": NETWORKS,
    "regression": NETWORKS,
    "pipeline": NETWORKS
    | {"synth", "data", "restoration", "segmentation", "regression", "networks", "judge", "estimator", "sources"},
    "report": GROUND | {"charts"},
    "evaluation": GROUND | {"charts", "data", "estimator", "networks"},
    "viewer": GROUND | {"estimator", "tracking", "smoothing", "sources", "predictions"},
}
TOP = {"", "__main__", "cli"}  # `import knuckle` itself and the commands may know every room

LIGHT = GROUND | {"networks", "judge", "estimator", "weights", "frames"}
"""Rooms of the core install. All that they need from outside:"""
CORE_PACKAGES = {"numpy", "cv2", "onnxruntime"}

DATASETS = {f"knuckle.data.{name}" for name in ("nyu", "icvl", "msra15", "hands17", "frames")}
"""One file per real dataset; what two of them share belongs in a file of its own beside them."""


def modules(package: Path) -> dict[str, str]:
    """Dotted name → source of every module of a package."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


def imports(name: str, sources: dict[str, str]) -> Iterator[str]:
    """Dotted names of the modules that a module imports, at its top or anywhere inside."""
    is_package = any(other.startswith(f"{name}.") for other in sources)
    for node in ast.walk(ast.parse(sources[name])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".")[: len(name.split(".")) - node.level + is_package]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:  # `from knuckle import draw` imports a module, `from numpy import array` does not
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in sources else base


def room(module: str) -> str:
    """Name of the room of a module of knuckle; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def walls_broken(sources: dict[str, str]) -> list[str]:
    """Every import of another room that the table does not allow."""
    broken = []
    for name in sources:
        here = room(name)
        for target in imports(name, sources):
            if here in TOP or target.split(".")[0] != "knuckle" or room(target) == here:
                continue
            if room(target) not in ROOMS.get(here, set()):
                broken.append(f"{name} imports {target}")
    return broken


def reached(start: set[str], sources: dict[str, str]) -> set[str]:
    """Everything that the given modules import, directly or through other modules of the package."""
    seen: set[str] = set()
    queue = list(start)
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += list(imports(name, sources)) if name in sources else []
    return seen


SOURCES = modules(PACKAGE)


def in_rooms(rooms: set[str]) -> set[str]:
    return {name for name in SOURCES if room(name) in rooms}


def test_every_room_is_in_the_table() -> None:
    assert {room(name) for name in SOURCES} <= ROOMS.keys() | TOP


def test_no_room_imports_what_it_may_not_know() -> None:
    assert walls_broken(SOURCES) == []


def test_the_table_has_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(ROOMS):  # take away rooms that need only rooms taken before, until none is left
        free = {name for name, allowed in ROOMS.items() if name not in done and allowed <= done}
        assert free, f"a cycle among {sorted(ROOMS.keys() - done)}"
        done |= free


def test_the_core_needs_only_the_core_packages() -> None:
    outside = {name.split(".")[0] for name in reached(in_rooms(LIGHT), SOURCES)} - {"knuckle"}
    assert outside - set(sys.stdlib_module_names) <= CORE_PACKAGES


def test_restoration_knows_no_network() -> None:
    outside = reached(in_rooms({"restoration"}), SOURCES)
    assert not {name for name in outside if name.split(".")[0] == "onnxruntime"}
    assert not {room(name) for name in outside} & {"layers", "segmentation", "regression"}


def test_segmentation_and_regression_do_not_know_each_other() -> None:
    assert "regression" not in {room(name) for name in reached(in_rooms({"segmentation"}), SOURCES)}
    assert "segmentation" not in {room(name) for name in reached(in_rooms({"regression"}), SOURCES)}


def test_no_dataset_knows_another() -> None:
    for name in DATASETS & SOURCES.keys():
        assert not set(imports(name, SOURCES)) & (DATASETS - {name})


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("knuckle.crop", "from knuckle.estimator import Hand"),
        ("knuckle.crop", "def f():\n    import knuckle.segmentation.network"),
        ("knuckle.crop", "from knuckle import regression"),
        ("knuckle.crop", "from . import cli"),
        ("knuckle.segmentation.train", "from ..regression import network"),
        ("knuckle.regression.network", "import knuckle.segmentation.network as other"),
        ("knuckle.restoration.vote", "import knuckle.layers"),
        ("knuckle.unheard_of", "import knuckle.camera"),
    ],
)
def test_a_broken_wall_is_seen(name: str, source: str) -> None:
    rooms = ("cli", "estimator", "regression", "regression.network", "segmentation.network", "layers", "camera")
    empty = {f"knuckle.{other}": "" for other in rooms}
    assert len(walls_broken({"knuckle": "", **empty, name: source})) == 1


def test_torch_is_seen_through_other_modules() -> None:
    sources = {"knuckle.a": "from .b import c", "knuckle.b": "def c():\n    import torch.nn", "knuckle": ""}
    assert "torch.nn" in reached({"knuckle.a"}, sources)


def test_importing_knuckle_loads_nothing_of_the_extras() -> None:
    heavy = ("torch", "numba", "zarr", "anny", "onnx", "scipy", "safetensors", "yaml", "typer", "rich", "pydantic")
    program = f"import sys, knuckle; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""
