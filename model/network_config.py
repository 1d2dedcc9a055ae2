"""The shape of the network as plain numbers, readable without torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MSNetConfig:
    """Everything that fixes the shape of the weights; the default is size S of 1.2 M weights.

    `stem_block`: squares of that many pixels a side enter the stem as channels, so that a larger
    picture costs no more memory; 1 is the plain network. `dilations` are those of the base modules
    of the last scale, for more context. `drop_path` is the share of slices for which the last base
    module passes on its input alone during training, falling to zero towards the first (stochastic
    depth, Huang et al. 2016); no embedding depends on it. `mirrored` embeds a slice as the mean of
    itself and its mirror image, once training is over: twice the work, a steadier place. `concat`
    off keeps only the last convolution of each base module, `pooled_scales` says which scales reach
    the embedding: both are for comparisons.
    """

    in_channels: int = 1
    stem_block: int = 1
    widths: tuple[int, int, int] = (32, 64, 128)
    depths: tuple[int, int, int] = (1, 2, 3)
    dilations: tuple[int, ...] = (1, 1, 1)
    drop_path: float = 0.0
    mirrored: bool = False
    concat: bool = True
    pooled_scales: tuple[int, ...] = (0, 1, 2)
    embedding_dim: int = 4096

    @property
    def feature_dim(self) -> int:
        """Pooled channels of the scales together."""
        return sum(self.widths[scale] for scale in self.pooled_scales)

    @property
    def coordinate_dim(self) -> int:
        """D: dimensions in which all embeddings lie, because the last layer is affine."""
        return self.feature_dim + 1
