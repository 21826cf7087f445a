"""Recipes: one YAML file an experiment, every key checked."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from knuckle.errors import MissingExtraError, SettingsError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FitSettings(_Strict):
    """How one network is trained."""

    epochs: float = Field(default=4.0, gt=0, description="passes over the data; a part of one is allowed")
    steps: int | None = Field(default=None, ge=1, description="number of batches; instead of epochs")
    batch: int = Field(default=64, ge=1, description="samples of a step, over all processes")
    accumulate: int = Field(default=1, ge=1, description="parts that a batch is gone through in, for want of memory")
    optimiser: Literal["adamw", "muon", "adam", "sgd"] = "adamw"
    rate: float = Field(default=2e-3, gt=0, description="learning rate; the peak of a one-cycle schedule")
    schedule: Literal["one-cycle", "decay"] = Field(
        default="one-cycle", description="decay: rate / (1 + step · rate_decay), as Torch7's optim and so [N] has it"
    )
    rate_decay: float = Field(default=0.0, ge=0, description="of the schedule decay ([N]: 1e-5)")
    weight_decay: float = Field(default=0.01, ge=0)
    bfloat16: bool = Field(default=True, description="mixed precision, where the hardware has instructions for it")
    compiled: bool = Field(
        default=False, description="loss and gradients as one compiled program: up to 1.5 times as fast, after a minute"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: the first GPU, if there is one")
    threads: int = Field(default=2, ge=1, description="of a machine; its processes share them")
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


class DataSettings(_Strict):
    """Stores to train, choose and score on: folders or URLs, of `knuckle synth` or of `knuckle data import`."""

    synthetic: tuple[str, ...] = Field(default=(), description="parts and joints known")
    train: str | None = Field(default=None, description="of the other sensor: joints known, parts not looked at")
    dev: str | None = Field(default=None, description="of the other sensor, to choose by")
    test: str | None = Field(default=None, description="of the other sensor, to report")
    benchmark: Literal["sensor-gap"] | None = Field(
        default=None, description="groups that are not there are rendered: synthetic must be STORE/source, and so on"
    )
    scale: float = Field(default=1.0, gt=0, le=1, description="share of the benchmark that is rendered, for a trial")
    held_out: int = Field(default=1000, ge=0, description="last synthetic samples, kept to score the network on")


class SegmentationRecipe(_Strict):
    """Step 1 of [N]: the segmentation network f_s, supervised by synthetic part maps."""

    network: Literal["compact", "paper", "paper-24"] = "compact"
    size: NetworkSettings = NetworkSettings()
    start: str | None = Field(default=None, description="weights (safetensors) of the same network to start from")
    weights: str | None = Field(default=None, description="of a trained network (safetensors): step 1 only scores it")
    not_hand_weight: float = Field(default=0.5, gt=0, description="of a measured pixel that is not hand, in the loss")
    augment: bool = Field(default=True, description="noise, lost pixels and cut-off sides, new in every epoch")
    fit: FitSettings = FitSettings()


class DictionarySettings(_Strict):
    """The label patches that restore part maps ([N] §3.2)."""

    store: str | None = Field(
        default=None,
        description="whose maps are taken; null: data.synthetic. With data.benchmark it is rendered like its source",
    )
    maps: int = Field(default=20_000, ge=1, description="how many of them; [N]: 56,991")


class LabelSettings(_Strict):
    """Where the part labels of real frames come from, in one row of the comparison of step 2."""

    labels: Literal["none", "predicted", "mode", "dictionary", "teacher", "truth"] = Field(
        description="none: synthetic hands only. truth: the hidden parts, a ceiling that only simulated frames have"
    )
    patch: int = Field(default=27, ge=1, description="side P of the dictionary's patches, px, odd")
    method: Literal["vote", "evidence"] = Field(
        default="vote", description="[N] eq. 2, or its votes added to the network's evidence"
    )
    gate: bool = Field(
        default=False, description="keep only maps whose barycentres came closer to the joints ([N] §3.1)"
    )
    shift_mm: float = Field(
        default=0.0, ge=0, description="disturbs the joints that a teacher is told: a fixed offset a joint, this long"
    )
    reach_mm: float | None = Field(
        default=None, gt=0, description="what is farther than this from every bone is not hand, whatever its label says"
    )
    real_share: float = Field(default=0.1, gt=0, lt=1, description="of real frames in a batch, at least one; [N]: 9:1")
    augment: bool | None = Field(default=None, description="of all frames; null: as in step 1")
    fit: FitSettings | None = Field(
        default=None, description="null: that of all rows; a row with its own is not compared with them"
    )


class TeacherSettings(_Strict):
    """The segmentation network that reads depth and joints; trained on synthetic hands, asked about real ones."""

    size: NetworkSettings = NetworkSettings()
    joint_noise_mm: float = Field(default=4.0, ge=0, description="standard deviation of every coordinate in training")
    fit: FitSettings = FitSettings()


class SupervisionRecipe(_Strict):
    """Step 2 of [N]: f_s fine-tuned on real frames that have joints but no parts; a row for each source of labels."""

    rows: dict[str, LabelSettings] = Field(min_length=1)
    frames: int | None = Field(default=None, ge=1, description="real frames that are labelled; null: all")
    dictionary: DictionarySettings = DictionarySettings()
    teacher: TeacherSettings = TeacherSettings()
    fit: FitSettings = FitSettings()


class RegressionRecipe(_Strict):
    """The voting regressor from depth and part probabilities, on synthetic hands: what is shipped."""

    size: NetworkSettings = NetworkSettings()
    from_segmenter: bool = Field(default=True, description="start from the compact segmentation network's trunk")
    start: str | None = Field(default=None, description="weights of the same network to start from instead")
    spread_weight: float = Field(
        default=0.1, ge=0, description="of the expected error's likelihood, beside the error itself"
    )
    fit: FitSettings = FitSettings(rate=1.5e-3)


class MethodSettings(_Strict):
    """One row of the comparison of step 3."""

    network: Literal["paper", "cascade", "voting"] = Field(
        description="[N]'s f_r; two of them, the second on a zoomed crop; ours"
    )
    parts: str = Field(
        default="none",
        description='"none", "synthetic" (f_s of step 1), "truth", a row of step 2, or an f_s by its *.safetensors',
    )
    first: str | None = Field(default=None, description="the row whose network a cascade begins with")
    shared: bool = Field(default=False, description="one network for all joints, of [N]'s f_r")
    input: Literal[24, 48] = Field(default=24, description="side of the depth image that [N]'s f_r sees, px")
    size: NetworkSettings = Field(default=NetworkSettings(), description="of the voting network")
    from_segmenter: bool = Field(default=True, description="the voting network starts from the trunk of parts' f_s")
    fit: FitSettings | None = Field(default=None, description="null: that of all methods")


class MethodsRecipe(_Strict):
    """Step 3 of [N]: joint regression on real frames, by several methods."""

    rows: dict[str, MethodSettings] = Field(min_length=1)
    turn_degrees: float = Field(
        default=180.0, ge=0, le=180, description="largest turn of a frame about the optical axis"
    )
    zoom: float = Field(default=0.1, ge=0, lt=1, description="largest change of a frame's size")
    fit: FitSettings = FitSettings(epochs=20)


class Recipe(_Strict):
    """A whole run: step 1 always, steps 2 and 3 of [N] as `supervision` and `methods`, the shipped regressor."""

    data: DataSettings = DataSettings()
    segmentation: SegmentationRecipe = SegmentationRecipe()
    supervision: SupervisionRecipe | None = None
    methods: MethodsRecipe | None = None
    regression: RegressionRecipe | None = None

    @model_validator(mode="after")
    def _parts_are_known(self) -> "Recipe":
        rows = self.supervision.rows if self.supervision else {}
        methods = self.methods.rows if self.methods else {}
        for name, method in methods.items():
            if method.parts not in ("none", "synthetic", "truth", *rows) and not is_weights(method.parts):
                raise ValueError(f"methods.rows.{name}.parts: there is no row {method.parts!r} in supervision.rows")
            if method.network == "cascade":
                first = methods.get(method.first or "")
                if first is None or first.network != "paper" or {first.parts, method.parts} != {"none"}:
                    raise ValueError(f"methods.rows.{name}.first: name a row of [N]'s network without parts")
        return self

    @model_validator(mode="after")
    def _trained_or_to_be_trained(self) -> "Recipe":
        if self.segmentation.weights and self.segmentation.start:
            raise ValueError("segmentation: give weights, of a trained network, or start, not both")
        return self

    @model_validator(mode="after")
    def _real_frames_are_given(self) -> "Recipe":
        if (self.supervision or self.methods) and None in (self.data.train, self.data.test):
            raise ValueError("supervision and methods need data.train and data.test")
        return self

    def with_seed(self, seed: int) -> "Recipe":
        """The same recipe with this seed for every network."""
        return Recipe.model_validate(_reseeded(self.model_dump(), seed))


def is_weights(parts: str) -> bool:
    """Whether the parts of a row of step 3 come from a file of an f_s."""
    return parts.endswith(".safetensors")


def _reseeded(values: object, seed: int) -> object:
    """Replaces the seed of every `FitSettings` in a dumped recipe."""
    if not isinstance(values, dict):
        return values
    if "rate_decay" in values:
        return {**values, "seed": seed}
    return {key: _reseeded(value, seed) for key, value in values.items()}


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
    except ValidationError as error:  # a kind of `ValueError`, as the rest of what follows is
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{path}: {faults}") from None
    except Exception as error:  # PyYAML also fails with what Python says of a date, a number or deep nesting
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingsError(f"{path}: cannot read the recipe ({reason})") from None
