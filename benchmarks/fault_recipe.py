"""All three steps of [N] on two dozen hands: what `benchmarks/faults.py` trains."""

from pathlib import Path

from knuckle.training.recipe import Recipe

_SIZE = {"widths": (8, 8, 8), "hidden": 8}
_HALF = {"real_share": 0.5}  # two of four crops: a tenth of them would be none
_LABELS = {
    "control": {"labels": "none"},
    "self": {"labels": "predicted", **_HALF},
    "dictionary": {"labels": "dictionary", "patch": 5, "gate": True, **_HALF},
    "restored": {"labels": "dictionary", "patch": 5, **_HALF},
    "teacher": {"labels": "teacher", "shift_mm": 8, **_HALF},
}
_METHODS = {
    "first": {"network": "paper", "shared": True},
    "cascade": {"network": "cascade", "first": "first", "shared": True},
    "voting": {"network": "voting", "size": _SIZE, "parts": "teacher"},
}


def recipe_of(given: Path, steps: int) -> Recipe:
    """On the stores source, train, dev and test in a folder; steps: of every training."""
    fit = {"steps": steps, "batch": 4, "bfloat16": False, "device": "cpu", "threads": 1}
    real = {name: f"{given}/{name}.zarr" for name in ("train", "dev", "test")}
    return Recipe.model_validate(
        {
            "data": {**real, "synthetic": [f"{given}/source.zarr"], "held_out": 4},
            "segmentation": {"size": _SIZE, "fit": fit},
            "supervision": {
                "rows": _LABELS,
                "frames": 8,
                "fit": fit,
                "teacher": {"size": _SIZE, "fit": fit},
                "dictionary": {"maps": 8},
            },
            "methods": {"rows": _METHODS, "fit": fit},
            "regression": {"size": _SIZE, "fit": fit},
        }
    )
