"""Which licences are seen, and which of them a company could not ship."""

import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def distribution(folder: Path, *lines: str, files: tuple[str, ...] = ()) -> importlib.metadata.Distribution:
    home = folder / "made_up-1.0.dist-info"
    home.mkdir()
    (home / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", "Name: made-up", *lines, ""]), encoding="utf-8")
    (home / "RECORD").write_text("".join(f"{name},,\n" for name in files), encoding="utf-8")
    return importlib.metadata.Distribution.at(home)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("MIT", "permissive"),
        ("3-Clause BSD License", "permissive"),
        ("Apache 2.0", "permissive"),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", "permissive"),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", "permissive"),
        ("MPL-2.0 AND MIT", "weak"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "weak"),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", "weak"),
        ("LGPL-2.1-or-later", "weak"),
        ("GPL-2.0-only OR MIT", "permissive"),
        ("MIT AND (GPL-2.0-only OR MPL-2.0)", "weak"),
        ("MIT OR GPL-2.0-only AND MPL-2.0", "permissive"),
        ("GNU General Public License v3 (GPLv3)", "strong"),
        ("AGPL-3.0-only", "strong"),
        ("GNU Affero General Public License v3", "strong"),
        ("MIT AND GPL-3.0-only", "strong"),
        ("Apache-2.0 AND LicenseRef-NVIDIA-CUDA-EULA", "unknown"),
        ("Proprietary", "unknown"),
        ("permit everything", "unknown"),
        ("", "unknown"),
    ],
)
def test_kinds(expression: str, kind: str) -> None:
    from licence_kinds import kind_of

    assert kind_of(expression) == kind


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: MIT", "License: BSD"], "MIT"),
        (["License: BSD", "Classifier: License :: OSI Approved :: MIT License"], "BSD"),
        (
            ["License: The whole text,", "        by lines", "Classifier: License :: OSI Approved :: MIT License"],
            "MIT License",
        ),
        (["Classifier: License :: A", "Classifier: License :: B", "Classifier: Topic :: C"], "A AND B"),
        ([], ""),
    ],
)  # fmt: skip
def test_what_a_package_declares(tmp_path: Path, lines: list[str], licence: str) -> None:
    from licence_kinds import declared

    assert declared(distribution(tmp_path, *lines)) == licence


def test_libraries_in_a_wheel_are_seen(tmp_path: Path) -> None:
    from licence_kinds import bundled

    files = (
        "made_up.libs/libavcodec-c4.so.62",
        "made_up.libs/libx264-aa.so.1",
        "made_up.libs/libz-1.so",
        "libav.py",
    )
    assert bundled(distribution(tmp_path, files=files)) == {
        "libavcodec": "LGPL-2.1-or-later", "libx264": "GPL-2.0-or-later"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("licence", "brought_by", "inside", "refused"),
    [
        ("GPL-3.0-only", ("core",), {}, True),
        ("GPL-3.0-only", ("train",), {}, True),
        ("GPL-3.0-only", ("dev", "test"), {}, False),
        ("MIT", ("view",), {"libx264": "GPL-2.0-or-later"}, True),
        ("MIT", ("core",), {"libavcodec": "LGPL-2.1-or-later"}, False),
        ("", ("core",), {}, True),
        ("", ("train",), {}, False),
        ("MIT", ("core",), {}, False),
    ],
)
def test_what_is_refused(licence: str, brought_by: tuple[str, ...], inside: dict[str, str], refused: bool) -> None:
    from licences import Entry, is_refused

    assert is_refused(Entry("made-up", "1.0", licence, brought_by, inside)) is refused


def test_nothing_that_knuckle_needs_or_ships_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    from licences import main

    assert main(["--core"]) == 0
    core = {line.split(" | ")[0].strip("| ") for line in capsys.readouterr().out.splitlines()[2:]}
    assert {"numpy", "onnxruntime", "pydantic-core", "segmentation.onnx"} <= core
    assert not core & {"torch", "zarr", "pytest", "pngjs"}
    assert main([]) == 0
    printed = capsys.readouterr()
    for row in (
        "| onnxruntime-node | 1.22.0 | MIT |  | examples/javascript |",
        "| segmentation.onnx |  | Apache-2.0 |",
    ):
        assert row in printed.out
    assert "licences: opencv-python-headless: weak: " in printed.err


def test_a_refused_package_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    import licences

    monkeypatch.setattr(licences, "npm", lambda root: [licences.Entry("made-up", "1", "AGPL-3.0", ("examples",))])
    assert licences.main([]) == 1
