"""A recipe of two steps a network, for the store of 64 hands and the run that several tests start from."""

from pathlib import Path

from knuckle.training.recipe import (
    DataSettings,
    FitSettings,
    NetworkSettings,
    Recipe,
    RegressionRecipe,
    SegmentationRecipe,
)

SIZE = NetworkSettings(widths=(8, 8, 8), hidden=8)
FIT = FitSettings(steps=2, batch=16, bfloat16=False, device="cpu", threads=1)
RECIPE = Recipe(
    segmentation=SegmentationRecipe(size=SIZE, fit=FIT),
    regression=RegressionRecipe(size=SIZE, fit=FIT),
)
WEIGHTS = ("segmentation/weights.safetensors", "regression/weights.safetensors")


def on(store: Path, recipe: Recipe = RECIPE, held_out: int = 8) -> Recipe:
    """The recipe with a store's hands, of which the last few are held out."""
    return recipe.model_copy(update={"data": DataSettings(synthetic=(str(store),), held_out=held_out)})
