"""ResNet-18 and ResNet-50 of plain torch blocks, to compare the encoder with: its speed, its finds.

He et al. 2016 (arXiv:1512.03385), with the stride in the 3x3 convolution as most programs have it,
one channel in, and an affine layer to an embedding like the encoder's. What the encoder's recipe
does to any network, stochastic depth and mirror images, they can do as it does. Weights are random:
to be measured for time, or trained from scratch beside the encoder.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class ResNetConfig:
    """How many blocks each of the four stages has, and whether they are bottlenecks.

    `drop_path` and `mirrored` are those of the encoder's `MSNetConfig`: the share of slices for
    which the last block passes on its input alone during training, falling to zero towards the
    first, and whether a slice is embedded as the mean of itself and its mirror image.
    """

    depths: tuple[int, ...]
    bottlenecks: bool
    embedding_dim: int = 4096
    drop_path: float = 0.0
    mirrored: bool = False

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels that leave each stage."""
        return tuple(64 * 2**stage * (4 if self.bottlenecks else 1) for stage in range(4))


RESNET_18 = ResNetConfig((2, 2, 2, 2), bottlenecks=False)
RESNET_50 = ResNetConfig((3, 4, 6, 3), bottlenecks=True)


def conv_bn(inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm, (B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""
    convolution = nn.Conv2d(
        inputs, outputs, kernel_size, stride, padding=kernel_size // 2, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """A branch around a shortcut, (B, inputs, H, W) -> (B, outputs, H/stride, W/stride).

    The branch is 3x3, 3x3, or as a bottleneck 1x1, 3x3, 1x1 with a quarter of the channels inside.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, bottleneck: bool, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.drop_path = drop_path
        inner = outputs // 4 if bottleneck else outputs
        if bottleneck:
            parts = [
                conv_bn(inputs, inner, 1),
                conv_bn(inner, inner, 3, stride),
                conv_bn(inner, outputs, 1),
            ]
        else:
            parts = [conv_bn(inputs, inner, 3, stride), conv_bn(inner, outputs, 3)]
        self.parts = nn.ModuleList(parts)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = conv_bn(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        branch = x
        for number, part in enumerate(self.parts):
            branch = part(functional.relu(branch) if number else branch)
        if self.training and self.drop_path:
            branch = self._dropped(branch)
        return functional.relu(branch + self.shortcut(x), inplace=True)

    def _dropped(self, branch: Tensor) -> Tensor:
        """Without the branch of some slices, the others' scaled up, so that the mean stays."""
        kept = torch.rand((len(branch), 1, 1, 1), device=branch.device) >= self.drop_path
        return branch * (kept.to(branch.dtype) / (1 - self.drop_path))


class ResNet(nn.Module):
    """Slices (B, 1, S, S) -> pooled features (B, widths[-1]), or embeddings (B, embedding_dim)."""

    def __init__(self, config: ResNetConfig = RESNET_50) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(
            *conv_bn(1, 64, 7, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)
        )
        self.stages = nn.ModuleList(self._stage(number) for number in range(len(config.depths)))
        self.embedding = nn.Linear(config.widths[-1], config.embedding_dim)

    def _stage(self, number: int) -> nn.Sequential:
        """The blocks of one stage; all but the first stage halve the side on entering."""
        config = self.config
        depth, width = config.depths[number], config.widths[number]
        inputs = config.widths[number - 1] if number else 64
        before, deepest = sum(config.depths[:number]), max(1, sum(config.depths) - 1)
        blocks = []
        for n in range(depth):
            stride = 2 if number and not n else 1
            drop_path = config.drop_path * (before + n) / deepest
            blocks.append(Block(inputs, width, stride, config.bottlenecks, drop_path))
            inputs = width
        return nn.Sequential(*blocks)

    def place(self, device: torch.device | str) -> Self:
        """Move to a device, in the layout in which convolutions are fastest."""
        return self.to(device=device, memory_format=torch.channels_last)

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Activations of the four stages, at 1/4 to 1/32 of the picture's side."""
        found, x = [], self.stem(x)
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return tuple(found)

    def pool(self, maps: tuple[Tensor, ...]) -> Tensor:
        """The last stage's mean, in float32."""
        return maps[-1].float().mean(dim=(-2, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features; in evaluation mode, if so configured, with those of the mirror image."""
        features = self.pool(self.maps(x))
        if self.config.mirrored and not self.training:
            features = (features + self.pool(self.maps(x.flip(-1)))) / 2
        return features

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings of unit length."""
        return functional.normalize(self.embedding(self(x)), dim=1)
