"""Checkpoints: back as they were, and nothing else is taken for one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from knuckle.errors import WeightsError
from knuckle.training import checkpoint
from knuckle.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights


def network(seed: int = 0, width: int = 4) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.InstanceNorm2d(width, affine=True))


def assert_same(one: nn.Module, other: nn.Module) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def assert_refused(action, named: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        action()
    assert "\n" not in str(caught.value)
    assert str(named) in str(caught.value)


def test_weights_come_back(tmp_path: Path) -> None:
    saved, loaded = network(0), network(1)
    save_weights(saved, tmp_path / "weights.safetensors")
    load_weights(loaded, tmp_path / "weights.safetensors")
    assert_same(saved, loaded)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(network(width=5), path)
    assert_refused(lambda: load_weights(network(), path), path)
    save_weights(nn.Linear(2, 2), path)
    assert_refused(lambda: load_weights(network(), path), path)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(network(), path)
    whole = path.read_bytes()
    for content in (b"", b"not weights", whole[:50], whole[:-10], b"\x00" * 200, b"\xff" * 200):
        path.write_bytes(content)
        assert_refused(lambda: load_weights(network(), path), path)


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    assert_refused(lambda: load_weights(network(), tmp_path / "none.safetensors"), tmp_path / "none.safetensors")
    assert_refused(lambda: load_weights(network(), tmp_path), tmp_path)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.save(network().state_dict(), path)
    assert_refused(lambda: load_weights(network(), path), path)


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    saved, loaded = network(0), network(1)
    assert load_checkpoint(tmp_path, loaded) is None
    state = {"optimiser": {"steps": 3, "moment": torch.arange(4.0)}}
    save_checkpoint(tmp_path, network(5), {"optimiser": {}}, 1)
    save_checkpoint(tmp_path, saved, state, 12)
    found = load_checkpoint(tmp_path, loaded)
    assert found is not None
    assert found[0] == 12
    assert torch.equal(found[1]["optimiser"]["moment"], state["optimiser"]["moment"])
    assert_same(saved, loaded)
    assert not list(tmp_path.glob("step-1.*"))


def test_a_run_killed_while_it_saves_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = network(0)
    save_checkpoint(tmp_path, before, {"a": 1}, 1)

    def killed(path: Path, data: bytes, error: type) -> None:
        path.with_name(f".{path.name}.1234.part").write_bytes(data[:9])
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, network(1), {"a": 2}, 2)
    loaded = network(2)
    assert load_checkpoint(tmp_path, loaded) == (1, {"a": 1})
    assert_same(before, loaded)


def test_what_kills_left_of_checkpoints_is_removed(tmp_path: Path) -> None:
    for name in (".step-2.state.pt.77.part", "step-2.safetensors"):
        (tmp_path / name).write_bytes(b"half")
    save_checkpoint(tmp_path, network(), {"a": 1}, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"latest.json", "step-3.safetensors", "step-3.state.pt"}
    (tmp_path / ".weights.safetensors.77.part").write_bytes(b"half")
    checkpoint.drop_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_one_flipped_bit_of_a_checkpoint_is_noticed_and_the_file_named(tmp_path: Path) -> None:
    """Neither format has a checksum that its reader looks at."""
    save_checkpoint(tmp_path, network(), {"moment": torch.arange(64.0)}, 3)
    path = tmp_path / "step-3.state.pt"
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        flipped(path, at)
        assert_refused(lambda: load_checkpoint(tmp_path, network()), path)
        path.write_bytes(whole)
    assert load_checkpoint(tmp_path, network()) is not None


def test_one_flipped_bit_of_weights_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    """What changes nothing: a blank of the header, or the name of the checksum."""
    path, saved = tmp_path / "weights.safetensors", network(5)
    save_weights(saved, path)
    whole, refused = path.read_bytes(), []
    for at in range(len(whole)):
        flipped(path, at)
        loaded = network(1)
        try:
            load_weights(loaded, path)
        except WeightsError as error:
            refused.append(str(error))
        else:
            assert_same(loaded, saved)
        path.write_bytes(whole)
    assert len(refused) > 0.9 * len(whole)
    assert all(line.startswith(f"{path}: ") for line in refused)


def test_weights_and_checkpoints_without_checksums_are_read(tmp_path: Path) -> None:
    """As earlier versions and other programs write them."""
    saved = network(5)
    save_checkpoint(tmp_path, saved, {"a": 1}, 3)
    save_file(saved.state_dict(), tmp_path / "step-3.safetensors")
    (tmp_path / "latest.json").write_text('{"step": 3}')
    loaded = network(1)
    assert load_checkpoint(tmp_path, loaded) == (3, {"a": 1})
    assert_same(saved, loaded)


@pytest.mark.parametrize("file", ["latest.json", "step-3.state.pt", "step-3.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{}", b"damaged", None], ids=["empty", "braces", "text", "missing"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, file: str, content: bytes | None) -> None:
    save_checkpoint(tmp_path, network(), {"a": 1}, 3)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    if (file, content) == ("latest.json", None):
        assert load_checkpoint(tmp_path, network()) is None  # there is none yet
    else:
        assert_refused(lambda: load_checkpoint(tmp_path, network()), tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, network(width=5), {"a": 1}, 3)
    assert_refused(lambda: load_checkpoint(tmp_path, network()), tmp_path)
