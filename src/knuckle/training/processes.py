"""The processes of one training, each with a device of its own, and what they tell each other."""

import atexit
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from knuckle.errors import KnuckleError, MissingExtraError

_PATIENCE = timedelta(days=365)  # restoring a store may take hours, while the other processes wait
_CPU = torch.device("cpu")

T = TypeVar("T")


class PeerError(KnuckleError):
    """Another process of this training has ended, so this one cannot go on. It has said why, if it could."""


@dataclass(frozen=True)
class Processes:
    """This process and its peers. index: 0 is the main one, which alone writes; here: those on this machine."""

    index: int = 0
    count: int = 1
    here: int = 1

    @property
    def is_main(self) -> bool:
        return self.index == 0

    def once(self, work: Callable[[], T]) -> T:
        """Does `work` in the main process alone; every process returns its answer, which must be picklable.

        All must call this; the others wait, however long it takes. Where `work` raises, they raise `PeerError`.
        """
        if self.count == 1:
            return work()
        if not self.is_main:
            done, answer = self._from_main(None)
            if not done:
                raise PeerError("the main process has failed: see what it says")
            return answer
        try:
            answer = work()
        except Exception:
            self._from_main((False, None))
            raise
        self._from_main((True, answer))
        return answer

    def share_of(self, rows: int) -> slice:
        """This process's share of the rows of a batch, in order; shares differ by one row at most, and may be empty."""
        return slice(rows * self.index // self.count, rows * (self.index + 1) // self.count)

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes, which is the same to the last bit in all of them."""
        if self.count > 1:
            with _peers():
                for work in [distributed.all_reduce(tensor, async_op=True) for tensor in tensors]:
                    work.wait()

    def align(self, model: nn.Module) -> None:
        """Gives every process the main one's weights and statistics."""
        if self.count > 1:
            with _peers():
                for value in model.state_dict().values():
                    distributed.broadcast(value, 0)

    @staticmethod
    def _from_main(message: tuple[bool, Any] | None) -> tuple[bool, Any]:
        box = [message]
        with _peers():
            distributed.broadcast_object_list(box, 0, device=_CPU)
        assert box[0] is not None
        return box[0]


@functools.cache
def processes() -> Processes:
    """The processes that `accelerate launch` has started, joined on the first call; else this one alone.

    Raises `MissingExtraError` without Accelerate, which only several processes need.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    try:
        from accelerate import PartialState
    except ImportError:
        raise MissingExtraError("devices", "accelerate") from None
    gpus = torch.cuda.is_available()
    with _peers():
        # answers travel by gloo also between GPUs: a process that waits there may be stopped, and leaves its GPU idle
        options = {"backend": "cuda:nccl,cpu:gloo"} if gpus else {}
        state = PartialState(cpu=not gpus, timeout=_PATIENCE, **options)
    atexit.register(state.destroy_process_group)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))
    return Processes(state.process_index, state.num_processes, here)


@contextmanager
def _peers() -> Iterator[None]:
    """A peer that does not answer any more becomes one line."""
    try:
        yield
    except RuntimeError as error:  # of each back end its own kind
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PeerError(f"another process of this training has ended, or cannot be reached ({reason})") from None
