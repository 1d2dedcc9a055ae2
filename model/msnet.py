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

__all__ = ["BaseModule", "MSNet", "MSNetConfig", "SoftmaxHead", "conv_bn"]


def conv_bn(in_channels: int, out_channels: int, kernel_size: int = 3) -> nn.Sequential:
    """Same-size convolution and batch norm, (B, in, H, W) -> (B, out, H, W)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BaseModule(nn.Module):
    """Residual block that keeps what each of its three 3x3 convolutions sees (paper, figure 2).

    They cover 3x3, 5x5 and 7x7 pixels of the input, so local detail and wider context lie side by
    side in the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half, quarter = out_channels // 2, out_channels // 4
        self.near = conv_bn(in_channels, half)
        self.mid = conv_bn(half, quarter)
        self.far = conv_bn(quarter, quarter)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = conv_bn(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        near = self.near(x)
        mid = self.mid(functional.relu(near))
        far = self.far(functional.relu(mid))
        return functional.relu(torch.cat((near, mid, far), dim=1) + self.shortcut(x), inplace=True)


class MSNet(nn.Module):
    """Prepared slices (B, 1, S, S) -> embeddings (B, 4096) or their coordinates (B, D).

    Base modules work at the original, 1/2 and 1/4 scale; each scale is pooled, the three are
    merged, and one affine layer gives the embedding.
    """

    def __init__(self, config: MSNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MSNetConfig()
        self.stem = nn.Sequential(
            conv_bn(config.in_channels, config.widths[0]), nn.ReLU(inplace=True)
        )
        inputs = (config.widths[0], *config.widths[:2])
        self.scales = nn.ModuleList(
            nn.Sequential(*(BaseModule(i if n == 0 else o, o) for n in range(depth)))
            for i, o, depth in zip(inputs, config.widths, config.depths, strict=True)
        )
        self.pools = nn.ModuleList(GeM() for _ in config.widths)
        self.embedding = nn.Linear(config.feature_dim, config.embedding_dim)

    def place(self, device: torch.device | str) -> Self:
        """Move to a device, in the memory layout in which the convolutions are fastest."""
        placed: Self = self.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    def features(self, x: Tensor) -> Tensor:
        """Pooled features of the three scales side by side, (B, feature_dim)."""
        x = self.stem(x)
        pooled = []
        for n, (scale, pool) in enumerate(zip(self.scales, self.pools, strict=True)):
            if n:
                x = functional.max_pool2d(x, 2)
            x = scale(x)
            pooled.append(pool(x))
        return torch.cat(pooled, dim=1)

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


class SoftmaxHead(nn.Module):
    """BN neck and classifier, (B, 4096) -> class logits (B, C); exists only for training."""

    def __init__(self, embedding_dim: int, num_classes: int) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(embedding_dim)
        self.classifier = nn.Linear(embedding_dim, num_classes)

    def forward(self, embedding: Tensor) -> Tensor:
        """Class logits."""
        logits: Tensor = self.classifier(self.neck(embedding))
        return logits
