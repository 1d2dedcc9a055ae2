"""The parts of the network that exist only while it is trained."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_PLANES = 3
_RARE = -3.0  # logit at which a lesion map starts: a lesion covers about a twentieth of a slice


@dataclass(frozen=True)
class HeadOutputs:
    """`labels` (B, C) and `planes` (B, 3) are logits, so is the `lesions` map (B, H, W).

    `codes` (B, bits) are soft codes in -1..1; there may be no bits.
    """

    labels: Tensor
    planes: Tensor
    lesions: Tensor
    codes: Tensor


class TrainingHeads(nn.Module):
    """BN neck with the softmax classifier of the paper, and two helpers beside it.

    The plane is read from the same neck; the lesion's place from the activations of the last
    scale, so that what is pooled must know where the lesion is. The hash head learns codes of
    `bits` from embeddings that it cannot change.
    """

    def __init__(
        self, embedding_dim: int, num_classes: int, map_channels: int, bits: int = 0
    ) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(embedding_dim)
        self.classifier = nn.Linear(embedding_dim, num_classes)
        self.plane = nn.Linear(embedding_dim, _PLANES)
        self.lesion = nn.Conv2d(map_channels, 1, kernel_size=1)
        nn.init.constant_(self.lesion.bias, _RARE)  # type: ignore[arg-type]
        # Last, so that all others begin with the same numbers with and without it.
        self.hash = HashHead(embedding_dim, bits) if bits else None

    def forward(self, embedding: Tensor, last_map: Tensor) -> HeadOutputs:
        """From embeddings (B, E) and activations (B, map_channels, H, W)."""
        steady = self.neck(embedding)
        lesions = self.lesion(last_map)[:, 0]
        codes = embedding.new_zeros(len(embedding), 0)
        if self.hash is not None:
            codes = self.hash(embedding)
        return HeadOutputs(self.classifier(steady), self.plane(steady), lesions, codes)


class HashHead(nn.Module):
    """Soft codes (B, bits) in -1..1 of embeddings (B, E); no gradient reaches those.

    The norm puts each bit's hyperplane through the middle of the batch, so that bits are balanced;
    where that middle lies in the end is for the export to see.
    """

    def __init__(self, embedding_dim: int, bits: int) -> None:
        super().__init__()
        self.planes = nn.Linear(embedding_dim, bits, bias=False)
        self.middle = nn.BatchNorm1d(bits, affine=False, track_running_stats=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """Of embeddings of any length; their direction counts."""
        direction = functional.normalize(embedding.detach(), dim=1)
        return torch.tanh(self.middle(self.planes(direction)))
