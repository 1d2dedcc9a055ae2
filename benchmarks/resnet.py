"""ResNet-18 and ResNet-50 of plain torch blocks, to compare the encoder with: its speed, its finds.

He et al. 2016 (arXiv:1512.03385), with the stride in the 3x3 convolution as most programs have it,
one channel in, and an affine layer to an embedding like the encoder's. Weights are random: to be
measured for time, or trained from scratch beside the encoder.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class ResNetConfig:
    """How many blocks each of the four stages has, and whether they are bottlenecks."""

    depths: tuple[int, ...]
    bottlenecks: bool
    embedding_dim: int = 4096

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

    def __init__(self, inputs: int, outputs: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
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
        return functional.relu(branch + self.shortcut(x), inplace=True)


class ResNet(nn.Module):
    """Slices (B, 1, S, S) -> pooled features (B, widths[-1]), or embeddings (B, embedding_dim)."""

    def __init__(self, config: ResNetConfig = RESNET_50) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(
            *conv_bn(1, 64, 7, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)
        )
        stages, inputs = [], 64
        for stage, (depth, width) in enumerate(zip(config.depths, config.widths, strict=True)):
            strides = [2 if stage > 0 else 1, *[1] * (depth - 1)]
            blocks = [
                Block(width if number else inputs, width, stride, config.bottlenecks)
                for number, stride in enumerate(strides)
            ]
            stages.append(nn.Sequential(*blocks))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.embedding = nn.Linear(inputs, config.embedding_dim)

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
        """Pooled features."""
        return self.pool(self.maps(x))

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings of unit length."""
        return functional.normalize(self.embedding(self(x)), dim=1)
