"""Several processes, one on each GPU, that train one network together; `torchrun` starts them.

Each process embeds its share of every batch. What came of all shares is gathered, so each computes
the loss of the whole batch and a contrastive loss sees all pairs; then gradients are averaged. It
knows nothing of slices, losses or files.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from model.errors import TrainingError

_Result = TypeVar("_Result")

_PATIENCE = timedelta(hours=1)  # the others wait while the first one validates


@dataclass(frozen=True)
class World:
    """This process among `size` ones; without arguments, the only one.

    `local_rank` numbers the processes of one machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes files and speaks."""
        return self.rank == 0

    def device(self, device: str) -> str:
        """This process's own device of a kind: the GPU of its number for "cuda"."""
        return f"cuda:{self.local_rank}" if device == "cuda" and self.size > 1 else device

    def require_even(self, batch_size: int) -> None:
        """Raises TrainingError if a batch does not divide evenly: means would not be means."""
        if batch_size % self.size:
            raise TrainingError(
                f"a batch of {batch_size} slices does not divide among {self.size} processes; "
                "change batch_size"
            )

    def shard(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's part of a batch that all have drawn alike.

        Raises TrainingError as `require_even` does.
        """
        self.require_even(len(batch))
        return np.split(batch, self.size)[self.rank]

    def gather(self, part: Tensor) -> Tensor:
        """The parts (B, ...) of all processes in the order of their ranks, (size * B, ...).

        Gradients flow back into this process's part.
        """
        if self.size == 1:
            return part
        whole: Tensor = _Gather.apply(part, self)  # type: ignore[no-untyped-call]
        return whole

    def share_norms(self, module: nn.Module) -> None:
        """Let the batch norms inside a module see the whole batch, where that works: on CUDA."""
        if self.size > 1 and _on_cuda(module):
            nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]

    def first(self, work: Callable[[], _Result]) -> _Result:
        """What the first process makes of `work`; only that one does it, and tells the others."""
        if self.size == 1:
            return work()
        told: list[Any] = [work() if self.is_main else None]
        distributed.broadcast_object_list(told)
        result: _Result = told[0]
        return result

    @torch.no_grad()
    def average_gradients(self, module: nn.Module) -> None:
        """Give each process the same gradients, those of the loss of the whole batch."""
        if self.size == 1:
            return
        grads = [p.grad for p in module.parameters() if p.grad is not None]
        self._average(grads)
        if not _on_cuda(module):
            # Norms that saw only their share must not drift apart.
            self._average([b for b in module.buffers() if b.is_floating_point()])

    def _average(self, tensors: list[Tensor]) -> None:
        """Replace tensors by their means over the processes, in one message."""
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        means = torch.split(flat / self.size, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean.view_as(tensor))


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """The world that `torchrun` describes in the environment; alone where there is none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    if device == "cuda":
        torch.cuda.set_device(local_rank)
    backend = "nccl" if device == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield World(int(os.environ["RANK"]), size, local_rank)
    finally:
        distributed.destroy_process_group()


class _Gather(torch.autograd.Function):
    """Concatenates the parts of all processes.

    All compute the same loss from the result, so the gradient of one's own part is known here
    without asking the others. It is multiplied by their number, because the average of gradients
    that follows divides by it.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor, world: World) -> Tensor:
        ctx.world, ctx.count = world, len(part)
        parts = [torch.empty_like(part) for _ in range(world.size)]
        distributed.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        own = grads[0].narrow(0, ctx.world.rank * ctx.count, ctx.count)
        return own * ctx.world.size, None


def _on_cuda(module: nn.Module) -> bool:
    return next(module.parameters()).device.type == "cuda"
