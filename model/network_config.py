"""The shape of the network as plain numbers, readable without torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MSNetConfig:
    """Everything that fixes the shape of the weights; the default is size S of 1.2 M weights."""

    in_channels: int = 1
    widths: tuple[int, int, int] = (32, 64, 128)
    depths: tuple[int, int, int] = (1, 2, 3)
    embedding_dim: int = 4096

    @property
    def feature_dim(self) -> int:
        """Pooled channels of the three scales together."""
        return sum(self.widths)

    @property
    def coordinate_dim(self) -> int:
        """D: dimensions in which all embeddings lie, because the last layer is affine."""
        return self.feature_dim + 1
