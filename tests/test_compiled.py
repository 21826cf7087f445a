"""Cached machine code is used again, and not when the source of any kernel has changed."""

import subprocess
import sys
from pathlib import Path

from knuckle import compiled
from knuckle.synth.skinning import distance

CALLER = """
import sys
sys.path.insert(0, sys.argv[1])
from knuckle import compiled
from pathlib import Path
compiled._PACKAGE = Path(sys.argv[1])
import caller
print(caller.outer(1.0), sum(caller.outer.stats.cache_hits.values()))
"""


def run(folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", CALLER, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_change_in_another_file_is_seen(tmp_path: Path) -> None:
    inner = "from knuckle.compiled import njit\n\n\n@njit()\ndef inner(x):\n    return x + {}\n"
    (tmp_path / "callee.py").write_text(inner.format("1.0"))
    (tmp_path / "caller.py").write_text(
        "from callee import inner\nfrom knuckle.compiled import njit\n\n\n@njit()\ndef outer(x):\n    return inner(x)\n"
    )
    assert run(tmp_path) == ["2.0", "0"]
    assert run(tmp_path) == ["2.0", "1"]
    (tmp_path / "callee.py").write_text(inner.format("5.0"))
    assert run(tmp_path) == ["6.0", "0"]


def test_kernels_carry_the_stamp_of_all_sources() -> None:
    assert distance._cache._cache_file._source_stamp == compiled.sources_stamp()
    assert len(compiled.sources_stamp()) == 64
