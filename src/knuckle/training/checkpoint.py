"""Checkpoints: weights as safetensors, optimiser and schedule beside them; written whole or not at all, and checked."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from knuckle.errors import WeightsError
from knuckle.files import write_whole

_ANEW = "delete the folder to start anew"


def save_weights(model: nn.Module, path: Path) -> None:
    """Writes the model's weights as safetensors, with a checksum of them in its metadata.

    Raises `WeightsError` if it cannot be written.
    """
    values = {name: value.contiguous() for name, value in model.state_dict().items()}
    write_whole(path, save(values, {"sha256": _digest(values)}), WeightsError)


def load_weights(model: nn.Module, path: Path) -> None:
    """Loads what `save_weights` wrote. Raises `WeightsError` if it is missing, damaged or of another network."""
    try:
        with safe_open(path, "pt") as file:
            noted = (file.metadata() or {}).get("sha256")  # files of other programs have none
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        if noted is not None and noted != _digest(values):
            raise WeightsError(f"{path}: its checksum is wrong: it is damaged; take a copy, or do its step again")
        model.load_state_dict(values)
    except WeightsError:
        raise
    except Exception as error:  # safetensors and torch raise many kinds; each means that this file does not fit
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: not the weights of {type(model).__name__} ({reason})") from None


def save_checkpoint(folder: Path, model: nn.Module, state: dict[str, Any], step: int) -> None:
    """Writes weights and `state` (state dicts of optimiser and schedule) after `step` steps, then points to them.

    Raises `WeightsError` if they cannot be written; the checkpoint before is kept then.
    """
    save_weights(model, folder / f"step-{step}.safetensors")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(folder / f"step-{step}.state.pt", buffer.getvalue(), WeightsError)
    pointer = {"step": step, "state_sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    write_whole(folder / "latest.json", json.dumps(pointer), WeightsError)
    for old in (*folder.glob("step-*"), *folder.glob(".step-*.part")):  # those of killed runs, too
        if not old.name.startswith(f"step-{step}."):
            old.unlink()


def load_checkpoint(folder: Path, model: nn.Module) -> tuple[int, dict[str, Any]] | None:
    """Loads the latest checkpoint into model; returns its step and state, or None where there is none yet.

    Raises `WeightsError` if it is damaged or of another network.
    """
    pointer = folder / "latest.json"
    if not pointer.exists():
        return None
    path = pointer
    try:
        noted = json.loads(pointer.read_text(encoding="utf-8"))
        step = int(noted["step"])
        path = folder / f"step-{step}.state.pt"
        data = path.read_bytes()
        if noted.get("state_sha256", "") not in ("", hashlib.sha256(data).hexdigest()):
            raise ValueError("its checksum is wrong")
        state = torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # torch raises many kinds; each means that this file is not what was written
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: the checkpoint is damaged ({reason}): {_ANEW}") from None
    try:
        load_weights(model, folder / f"step-{step}.safetensors")
    except WeightsError as error:
        raise WeightsError(f"{error}: {_ANEW}") from None
    return step, state


def drop_checkpoints(folder: Path) -> None:
    """Removes the checkpoints of a training that is finished, and what kills left of them; the pointer first."""
    (folder / "latest.json").unlink(missing_ok=True)
    for old in (*folder.glob("step-*"), *folder.glob(".*.part")):
        old.unlink()


def _digest(values: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name, value in sorted(values.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
