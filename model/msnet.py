"""MSNet: the multi-scale CNN that turns one prepared brain slice into a 4,096-d embedding.

After Wan et al. 2018 (doi 10.3969/j.issn.1673-6036.2018.03.003). Only the network: it reads no
files, prepares no images and does not train itself.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.gem import GeM
from model.network_config import MSNetConfig

__all__ = ["BaseModule", "MSNet", "MSNetConfig", "conv_bn"]


def conv_bn(
    in_channels: int, out_channels: int, kernel_size: int = 3, dilation: int = 1
) -> nn.Sequential:
    """Same-size convolution and batch norm, (B, in, H, W) -> (B, out, H, W)."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
    )


class BaseModule(nn.Module):
    """Residual block that keeps what each of its three 3x3 convolutions sees (paper, figure 2).

    They cover 3x3, 5x5 and 7x7 pixels of the input, so local detail and wider context lie side by
    side in the output. Without `concat` it is an ordinary residual block of the same depth.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilation: int = 1,
        concat: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.concat, self.drop_path = concat, drop_path
        half, quarter = out_channels // 2, out_channels // 4
        self.near = conv_bn(in_channels, half, dilation=dilation)
        self.mid = conv_bn(half, quarter, dilation=dilation)
        self.far = conv_bn(quarter, quarter if concat else out_channels, dilation=dilation)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = conv_bn(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        near = self.near(x)
        mid = self.mid(functional.relu(near))
        far = self.far(functional.relu(mid))
        seen = torch.cat((near, mid, far), dim=1) if self.concat else far
        if self.training and self.drop_path:
            seen = self._dropped(seen)
        return functional.relu(seen + self.shortcut(x), inplace=True)

    def _dropped(self, seen: Tensor) -> Tensor:
        """Nothing for some slices of the batch, and more of the others: the mean stays."""
        kept = torch.rand((len(seen), 1, 1, 1), device=seen.device) >= self.drop_path
        return seen * (kept.to(seen.dtype) / (1 - self.drop_path))


class MSNet(nn.Module):
    """Prepared slices (B, 1, S, S) -> embeddings (B, 4096) or their coordinates (B, D).

    Base modules work at the original, 1/2 and 1/4 scale; each scale is pooled, the three are
    merged, and one affine layer gives the embedding. S must divide by four times the stem's block.
    """

    def __init__(self, config: MSNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MSNetConfig()
        pixels = config.in_channels * config.stem_block**2
        self.stem = nn.Sequential(conv_bn(pixels, config.widths[0]), nn.ReLU(inplace=True))
        self.scales = nn.ModuleList(self._scale(number) for number in range(len(config.widths)))
        self.pools = nn.ModuleList(GeM() for _ in config.pooled_scales)
        self.embedding = nn.Linear(config.feature_dim, config.embedding_dim)

    def _scale(self, number: int) -> nn.Sequential:
        """The base modules that work at one scale."""
        config = self.config
        last = number == len(config.widths) - 1
        depth, width = config.depths[number], config.widths[number]
        entering = config.widths[max(0, number - 1)]
        modules = []
        before, deepest = sum(config.depths[:number]), max(1, sum(config.depths) - 1)
        for n in range(depth):
            dilation = config.dilations[n % len(config.dilations)] if last else 1
            drop_path = config.drop_path * (before + n) / deepest
            modules.append(BaseModule(entering, width, dilation, config.concat, drop_path))
            entering = width
        return nn.Sequential(*modules)

    def place(self, device: torch.device | str) -> Self:
        """Move to a device, in the memory layout in which the convolutions are fastest."""
        placed: Self = self.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Activations of the three scales, (B, width, H, W) each, H halved twice."""
        if self.config.stem_block > 1:
            x = functional.pixel_unshuffle(x, self.config.stem_block)
            x = x.contiguous(memory_format=torch.channels_last)
        first = self.scales[0](self.stem(x))
        second = self.scales[1](functional.max_pool2d(first, 2))
        third = self.scales[2](functional.max_pool2d(second, 2))
        return first, second, third

    def pool(self, maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Pooled features of the scales side by side, (B, feature_dim)."""
        pooled = zip(self.pools, self.config.pooled_scales, strict=True)
        return torch.cat([pool(maps[scale]) for pool, scale in pooled], dim=1)

    @property
    def is_mirrored(self) -> bool:
        """Whether features are those of slices and their mirror images: never while training."""
        return self.config.mirrored and not self.training

    def features(self, x: Tensor) -> Tensor:
        """Pooled features of prepared slices, (B, feature_dim).

        In evaluation mode, and if so configured, their mean with those of the mirror images:
        training showed both sides alike, and a mean is as affine as its parts.
        """
        features = self.pool(self.maps(x))
        if self.is_mirrored:
            features = (features + self.pool(self.maps(x.flip(-1)))) / 2
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Output of the affine layer, (B, 4096), not of unit length: what training sees."""
        y: Tensor = self.embedding(self.features(x))
        return y

    def embed(self, x: Tensor) -> Tensor:
        """Unit-length embeddings, (B, 4096): on them Euclidean order is cosine order."""
        return functional.normalize(self(x), dim=1)

    def coordinates(self, x: Tensor, r: Tensor) -> Tensor:
        """The embeddings in the basis of `basis()`, (B, D), unit length, distances unchanged."""
        extended = functional.pad(self.features(x), (0, 1), value=1.0)
        return functional.normalize(extended @ r.T, dim=1)

    @torch.no_grad()
    def basis(self) -> tuple[Tensor, Tensor]:
        """Q (4096, D) with orthonormal columns and R (D, D), float64: embedding = Q @ coordinates.

        The last layer maps only D - 1 numbers and a constant, [W b] [f; 1] = Q R [f; 1], and Q
        keeps lengths, so search over R [f; 1] is search over the 4,096 numbers. R's diagonal is
        made positive, because QR leaves the signs open and they must not depend on the machine.
        """
        affine = torch.cat((self.embedding.weight, self.embedding.bias[:, None]), dim=1)
        q, r = torch.linalg.qr(affine.double().cpu())
        signs = torch.where(torch.diagonal(r) < 0, -1.0, 1.0).double()
        return q * signs, r * signs[:, None]
