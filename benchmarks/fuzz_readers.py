"""Everything that is fuzzed, by name. What a reader needs is imported when it is asked for, and nothing else."""

from importlib import import_module

from fuzz_target import FileTarget, Target

SHARES: dict[str, dict[str, float]] = {
    "fuzz_frames": {
        **{"depth-png": 8, "depth-nyu-png": 6, "depth-bin": 8, "depth-npy": 6, "depth-npy-floats": 6, "camera": 8},
        **{"folder": 3, "stack-npy": 4, "stack-npz": 3, "joints-csv": 6, "upload": 4},
    },
    "fuzz_datasets": {
        **{"nyu-mat5": 3, "nyu-mat5-packed": 3, "nyu-mat73": 3, "icvl": 4, "msra15": 3, "hands17": 4},
        **{"joint-text": 6, "joint-text-gz": 3, "predictions": 3, "predictions-npy": 3, "centers": 2},
    },
    "fuzz_stores": {
        **{"recording": 1, "recording-floats": 0.5, "store": 1, "dictionary": 2},
        **{"bag-ros1": 1.5, "bag-ros2": 1, "bag-mcap": 1, "bag-mcap-file": 1.5, "bag-packed": 0.5},
    },
    "fuzz_runs": {"recipe": 1.5, "run": 2, "report": 0.1, "mano": 3, "hand-asset": 3},
    "fuzz_networks": {"checkpoint": 1, "safetensors": 3, "onnx": 1, "onnx-shipped": 0.05},
    "fuzz_calls": {"estimator": 0.3, "command-line": 0.1},
}
"""Module → reader → its share of the cases: quick readers have more of them."""

MODULES = {name: module for module, shares in SHARES.items() for name in shares}


def share(name: str) -> float:
    return SHARES[MODULES[name]][name]


def find_target(name: str) -> Target:
    """Raises `KeyError` for an unknown name."""
    targets: tuple[Target, ...] = import_module(MODULES[name]).TARGETS
    return next(target for target in targets if target.name == name)


def file_targets() -> list[FileTarget]:
    """All readers of files."""
    return [target for target in map(find_target, MODULES) if isinstance(target, FileTarget)]
