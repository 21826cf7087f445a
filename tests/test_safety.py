"""Nothing that is read may run: which functions of other libraries the package may not call, or how alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import knuckle

PACKAGE = Path(knuckle.__file__).parent

FORBIDDEN = {
    "eval": "runs text",
    "exec": "runs text",
    "pickle.load": "runs what it reads",
    "pickle.loads": "runs what it reads",
    "pickle.Unpickler": "runs what it reads, and believes its sizes",
    "marshal.loads": "runs what it reads",
    "shelve.open": "unpickles",
    "joblib.load": "unpickles",
    "os.system": "runs text",
    "yaml.load": "builds any object: use yaml.safe_load",
    "yaml.full_load": "builds objects: use yaml.safe_load",
    "yaml.unsafe_load": "builds any object: use yaml.safe_load",
    "tempfile.mktemp": "names a file that somebody else may make first",
    "shutil.unpack_archive": "writes outside of its folder",
    "scipy.io.loadmat": "ends the process for a damaged file: use data.matlab",
    "loadmat": "ends the process for a damaged file: use data.matlab",
    "np.fromfile": "believes its sizes",
    "np.genfromtxt": "decompresses without a limit",
    "np.lib.format.open_memmap": "believes what it reads: use numpy_files.map_npy",
    "gzip.decompress": "decompresses without a limit",
    "zlib.decompress": "decompresses without a limit",
    "bz2.decompress": "decompresses without a limit",
    "lzma.decompress": "decompresses without a limit",
}
"""By the names under which they are called."""

METHODS = {"extractall": "writes outside of its folder", "extract": "writes outside of its folder"}

OWN_LOADS = {"pipeline/dictionary.py", "pipeline/examples.py"}
"""Read with NumPy what the same run wrote; everything else goes through numpy_files."""

UNPICKLER = "synth/mano_pickle.py"
"""Derives from pickle's class in Python, and exchanges everything that a pickle could name."""


def dotted(node: ast.expr) -> str:
    """Of `a.b.c` its text; empty for anything but names."""
    if isinstance(node, ast.Attribute):
        above = dotted(node.value)
        return f"{above}.{node.attr}" if above else ""
    return node.id if isinstance(node, ast.Name) else ""


def faults(source: str, file: str = "a.py") -> Iterator[str]:
    """What is unsafe in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute | ast.Name) and dotted(node) in FORBIDDEN:
            yield f"{dotted(node)}: {FORBIDDEN[dotted(node)]}"
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield from _imported(node, file)
        if isinstance(node, ast.Call):
            yield from _called(node, file)


def _imported(node: ast.ImportFrom | ast.Import, file: str) -> Iterator[str]:
    for alias in node.names:
        name = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
        if name in FORBIDDEN or name == "scipy.io":
            yield f"{name} is imported"
        if name.split(".")[0] in ("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib") and file != UNPICKLER:
            yield f"{name} is imported"


def _called(node: ast.Call, file: str) -> Iterator[str]:
    name, given = dotted(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield f"{node.func.attr}: {METHODS[node.func.attr]}"
    if name == "torch.load" and given.get("weights_only") != "True":
        yield "torch.load without weights_only=True unpickles"
    if name in ("np.load", "numpy.load") and (file not in OWN_LOADS or "allow_pickle" in given):
        yield "np.load believes what it reads: use numpy_files"
    if given.get("allow_pickle") == "True":
        yield "allow_pickle=True unpickles"
    if given.get("shell") == "True":
        yield "shell=True runs text"


FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def test_the_package_calls_nothing_unsafe() -> None:
    assert [(file, fault) for file in FILES for fault in faults((PACKAGE / file).read_text("utf-8"), file)] == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.load(file)",
        "from pickle import loads",
        "def f():\n    import joblib",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "load = yaml.load",
        "from yaml import unsafe_load",
        "eval(text)",
        "archive.extractall(folder)",
        "from scipy.io import loadmat",
        "gzip.decompress(data)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_what_is_unsafe_is_seen(source: str) -> None:
    assert list(faults(source))


@pytest.mark.parametrize(
    "source", ["torch.load(path, weights_only=True)", "yaml.safe_load(text)", "zlib.decompressobj()"]
)
def test_what_is_safe_is_let_through(source: str) -> None:
    assert list(faults(source)) == []
