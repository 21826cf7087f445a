"""What the installed packages say they need, and the files of versions that are made of it."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def made_up(folder: Path, name: str, *requires: str, extras: tuple[str, ...] = (), version: str = "1.0") -> None:
    """A package's metadata, as pip leaves it in a folder of packages."""
    home = folder / f"{canonicalize_name(name).replace('-', '_')}-{version}.dist-info"
    home.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {line}" for line in requires]
    (home / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_every_need_is_followed_through_extras_and_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dependencies import packages

    made_up(
        tmp_path, "made-up-root", "Made_Up.a>=1", "made-up-b[fast]; extra == 'speed'", "made-up-gone; extra == 'speed'",
        "made-up-root[speed]; extra == 'all'", "made-up-other; sys_platform == 'plan9'", extras=("speed", "all"),
    )  # fmt: skip
    made_up(tmp_path, "made_up_a", "made-up-b", version="2.0+cpu")
    made_up(tmp_path, "made_up_b", "made-up-c; extra == 'fast'", "made-up-a", extras=("fast",))  # a circle, too
    made_up(tmp_path, "made_up_c")
    monkeypatch.syspath_prepend(str(tmp_path))
    found, missing = packages("made-up-root")
    assert [(one.name, one.version, one.brought_by) for one in found] == [
        ("made-up-a", "2.0", ["core", "speed", "all"]),
        ("made-up-b", "1.0", ["core", "speed", "all"]),
        ("made-up-c", "1.0", ["speed", "all"]),
    ]
    assert missing == ["made-up-gone"]


def constrained() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in pins), "a host, or a build's own version"
    return dict(line.split("==") for line in pins)


UNTESTED = "pyrealsense2", "atheris"  # for a camera, and for a benchmark


def test_constraints_hold_a_fitting_version_of_all_that_pyproject_names() -> None:
    pins = constrained()
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    wanted = [Requirement(line) for lines in groups for line in lines]
    for one in wanted:
        if one.name not in ("knuckle", *UNTESTED):
            assert one.specifier.contains(pins[canonicalize_name(one.name)], prereleases=True), str(one)
    assert pins["torch"] == "2.13.0"


def test_constraints_hold_all_that_is_needed_here_and_nothing_else() -> None:
    from constraints import here, lines
    from dependencies import packages

    head = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[0]
    if not head.endswith(f"on {here()}:") or "+cpu" not in importlib.metadata.version("torch"):
        pytest.skip(f"{head}: other platforms need other packages")
    found, _ = packages()
    written = {line.partition("==")[0] for line in lines(found) if not line.startswith("#")}
    assert written == constrained().keys(), "packages came or went: make lock"


def test_lowest_versions_are_the_bounds_as_they_stand() -> None:
    from minimal_versions import lowest

    wanted = [
        "numpy>=2.0",
        "torch==2.13.0",
        "dask[distributed]>=2024.8",
        "x~=1.2; python_version > '3'",
        "knuckle[data]",
    ]
    assert lowest(wanted) == ["dask==2024.8", "numpy==2.0", "torch==2.13.0", "x==1.2"]
    with pytest.raises(ValueError, match=r"numpy<3: has no lower bound in pyproject\.toml"):
        lowest(["numpy<3"])
