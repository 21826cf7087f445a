"""Checkpoints: weights as safetensors, optimiser and schedule beside them; written whole or not at all."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from knuckle.errors import WeightsError


def save_weights(model: nn.Module, path: Path) -> None:
    """Writes the model's weights as safetensors."""
    part = path.with_suffix(".part")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, part)
    part.replace(path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Loads what `save_weights` wrote. Raises `WeightsError` if it is missing, damaged or of another network."""
    try:
        model.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch raise many kinds; each means that this file does not fit
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: not the weights of {type(model).__name__} ({reason})") from None


def save_checkpoint(folder: Path, model: nn.Module, state: dict[str, Any], step: int) -> None:
    """Writes weights and `state` (state dicts of optimiser and schedule) after `step` steps, then points to them."""
    save_weights(model, folder / f"step-{step}.safetensors")
    part = folder / "state.part"
    torch.save(state, part)
    part.replace(folder / f"step-{step}.state.pt")
    pointer = folder / "latest.part"
    pointer.write_text(json.dumps({"step": step}), encoding="utf-8")
    pointer.replace(folder / "latest.json")
    for old in folder.glob("step-*"):
        if not old.name.startswith(f"step-{step}."):
            old.unlink()


def load_checkpoint(folder: Path, model: nn.Module) -> tuple[int, dict[str, Any]] | None:
    """Loads the latest checkpoint into model; returns its step and state, or None where there is none yet.

    Raises `WeightsError` if it is damaged or of another network.
    """
    pointer = folder / "latest.json"
    if not pointer.exists():
        return None
    try:
        step = int(json.loads(pointer.read_text(encoding="utf-8"))["step"])
        state = torch.load(folder / f"step-{step}.state.pt", weights_only=True)
    except Exception as error:  # torch raises many kinds; each means that this file is not what was written
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{folder}: the checkpoint is damaged ({reason}): delete the folder to start anew") from None
    load_weights(model, folder / f"step-{step}.safetensors")
    return step, state


def drop_checkpoints(folder: Path) -> None:
    """Removes the checkpoints of a training that is finished; the pointer first."""
    (folder / "latest.json").unlink(missing_ok=True)
    for old in folder.glob("step-*"):
        old.unlink()
