"""Generalised-mean pooling with a backward pass that is cheap on CPUs. Nothing else."""

from typing import Any

import torch
from torch import Tensor, nn


class _PowerMean(torch.autograd.Function):
    """Mean of x**p over the pixels, (B, C, H, W) -> (B, C), for x >= eps > 0.

    Differentiating `pow` by its exponent the ordinary way took nearly half of a training step;
    with log(x) kept, both gradients are a few vectorised passes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, p: Tensor, eps: float) -> Tensor:
        log = x.clamp(min=eps).log_()
        power = (log * p).exp_()
        ctx.save_for_backward(log, power, p)
        return power.mean(dim=(-2, -1))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        log, power, p = ctx.saved_tensors
        grad = grads[0] / (log.shape[-2] * log.shape[-1])
        by_x = ((p - 1) * log).exp_().mul_((grad * p)[:, :, None, None])
        by_p = ((power * log).sum(dim=(-2, -1)) * grad).sum()
        return by_x, by_p, None


class GeM(nn.Module):
    """Pools (B, C, H, W) to (B, C): p = 1 is the average, a large p nears the maximum.

    A lesion covers few pixels; the learnt exponent keeps it from being averaged away. Computed in
    float32 whatever comes in, because x**p overflows in half precision.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Generalised mean over the pixels."""
        with torch.autocast(x.device.type, enabled=False):
            x = x if x.dtype == torch.float64 else x.float()
            mean: Tensor = _PowerMean.apply(x, self.p, self.eps)  # type: ignore[no-untyped-call]
            return mean.pow(1 / self.p)
