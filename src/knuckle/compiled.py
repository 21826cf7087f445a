"""`numba.njit` with a cache on disk that knows the source of every kernel, not only of the one that it holds.

A kernel has those that it calls compiled into it, from whatever file they are. numba asks only whether the kernel's own
file has changed, and so would go on running an old version of another file's kernels inside it.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba

_PACKAGE = Path(__file__).parent
_CONSTANTS = tuple(_PACKAGE / name for name in ("anatomy.py", "crop.py"))  # compiled into the kernels that use them


@lru_cache(maxsize=1)
def sources_stamp() -> str:
    """A hash of the sources of all kernels and of the constants that are compiled into them."""
    kernels = sorted(path for path in _PACKAGE.rglob("*.py") if "njit" in path.read_text(encoding="utf-8"))
    digest = hashlib.sha256()
    for path in (*kernels, *_CONSTANTS):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def njit(**options: Any) -> Callable[[Callable], Any]:
    """Decorator `numba.njit(**options)`, cached on disk until the source of any kernel changes."""

    def compile_(function: Callable) -> Any:
        kernel = numba.njit(cache=True, **options)(function)
        index = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
        if index is not None:  # None where numba cannot write a cache, or compiles nothing
            index._source_stamp = sources_stamp()
        return kernel

    return compile_
