"""ResNet-50 of plain torch blocks, to compare the encoder's speed with.

He et al. 2016 (arXiv:1512.03385), with the stride in the 3x3 convolution as most programs have it.
Its weights are random: it measures time and finds nothing.
"""

from torch import Tensor, nn

_DEPTHS = (3, 4, 6, 3)
_EXPANSION = 4


def conv_bn(inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm, (B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""
    convolution = nn.Conv2d(
        inputs, outputs, kernel_size, stride, padding=kernel_size // 2, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 around a shortcut, (B, inputs, H, W) -> (B, 4 * width, H/stride, W/stride)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.narrow = conv_bn(inputs, width, 1)
        self.middle = conv_bn(width, width, 3, stride)
        self.widen = conv_bn(width, outputs, 1)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = conv_bn(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.widen(self.relu(self.middle(self.relu(self.narrow(x)))))
        y: Tensor = self.relu(branch + self.shortcut(x))
        return y


class ResNet50(nn.Module):
    """Slices (B, 1, S, S) -> pooled features (B, 2048)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *conv_bn(1, 64, 7, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)
        )
        blocks: list[nn.Module] = []
        inputs = 64
        for stage, depth in enumerate(_DEPTHS):
            width = 64 * 2**stage
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Bottleneck(inputs, width, stride))
                inputs = width * _EXPANSION
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.pool(self.blocks(self.stem(x)))
        return features.flatten(1)
