"""Recipes: one YAML file an experiment, every key checked."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from knuckle.errors import MissingExtraError, SettingsError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FitSettings(_Strict):
    """How one network is trained."""

    epochs: float = Field(default=4.0, gt=0, description="passes over the data; a part of one is allowed")
    batch: int = Field(default=64, ge=1)
    rate: float = Field(default=2e-3, gt=0, description="peak of the one-cycle schedule of AdamW")
    weight_decay: float = Field(default=0.01, ge=0)
    bfloat16: bool = Field(default=True, description="mixed precision: on CPUs with AVX-512 BF16 nearly twice as fast")
    threads: int = Field(default=2, ge=1)
    seed: int = Field(default=0, ge=0)


class NetworkSettings(_Strict):
    """Size of a compact network."""

    widths: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        default=(64, 96, 160), description="feature maps at 24, 12 and 6 px"
    )
    hidden: int = Field(default=128, ge=1, description="units of the head at every cell")
    contrast: bool = Field(
        default=True, description="local contrast normalisation, kernel 9, beside raw depth ([N] §5)"
    )


class SegmentationRecipe(_Strict):
    """Step 1 of [N]: the segmentation network, supervised by synthetic part maps."""

    network: Literal["compact", "paper"] = "compact"
    size: NetworkSettings = NetworkSettings()
    start: str | None = Field(default=None, description="weights (safetensors) of the same network to start from")
    not_hand_weight: float = Field(default=0.5, gt=0, description="of a measured pixel that is not hand, in the loss")
    fit: FitSettings = FitSettings()


class RegressionRecipe(_Strict):
    """Joint regression from depth and the segmentation network's probabilities."""

    size: NetworkSettings = NetworkSettings()
    from_segmenter: bool = Field(default=True, description="start from the compact segmentation network's trunk")
    start: str | None = Field(default=None, description="weights of the same network to start from instead")
    spread_weight: float = Field(
        default=0.1, ge=0, description="of the expected error's likelihood, beside the error itself"
    )
    fit: FitSettings = FitSettings(rate=1.5e-3)


class Recipe(_Strict):
    """A whole run: both networks."""

    segmentation: SegmentationRecipe = SegmentationRecipe()
    regression: RegressionRecipe | None = RegressionRecipe()


def load_recipe(path: str | Path) -> Recipe:
    """Reads and checks a YAML recipe.

    Raises `SettingsError`, one line that names the file and the key, for an unknown key or a value out of range.
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("train", "yaml") from None
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return Recipe.model_validate(values or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot read the recipe ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{path}: {faults}") from None
