"""The parts of the network that exist only while it is trained."""

from dataclasses import dataclass

from torch import Tensor, nn

_PLANES = 3
_RARE = -3.0  # logit at which a lesion map starts: a lesion covers about a twentieth of a slice


@dataclass(frozen=True)
class HeadOutputs:
    """`labels` (B, C) and `planes` (B, 3) are logits, so is the `lesions` map (B, H, W)."""

    labels: Tensor
    planes: Tensor
    lesions: Tensor


class TrainingHeads(nn.Module):
    """BN neck with the softmax classifier of the paper, and two helpers beside it.

    The plane is read from the same neck; the lesion's place from the activations of the last
    scale, so that what is pooled must know where the lesion is.
    """

    def __init__(self, embedding_dim: int, num_classes: int, map_channels: int) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(embedding_dim)
        self.classifier = nn.Linear(embedding_dim, num_classes)
        self.plane = nn.Linear(embedding_dim, _PLANES)
        self.lesion = nn.Conv2d(map_channels, 1, kernel_size=1)
        nn.init.constant_(self.lesion.bias, _RARE)  # type: ignore[arg-type]

    def forward(self, embedding: Tensor, last_map: Tensor) -> HeadOutputs:
        """From embeddings (B, E) and activations (B, map_channels, H, W)."""
        steady = self.neck(embedding)
        lesions = self.lesion(last_map)[:, 0]
        return HeadOutputs(self.classifier(steady), self.plane(steady), lesions)
