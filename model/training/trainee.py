"""The network and its training heads as one module: what is compiled, or spread over GPUs."""

from typing import Self

import torch
from torch import Tensor, nn

from model.msnet import MSNet
from model.training.config import TrainConfig
from model.training.heads import HeadOutputs, TrainingHeads
from model.training.network import MakeNetwork


class Trainee(nn.Module):
    """Augmented slices (B, 1, S, S) -> embeddings (B, 4096), float32, and what the heads say."""

    def __init__(
        self, config: TrainConfig, num_classes: int, make_network: MakeNetwork = MSNet
    ) -> None:
        super().__init__()
        self.in_half = config.schedule.precision == "bfloat16"
        self.network = make_network(config.network)
        self.heads = TrainingHeads(
            self.network.embedding.out_features,
            num_classes,
            self.network.config.widths[-1],
            config.hash.bits,
        )

    def place(self, device: str) -> Self:
        """Move to a device."""
        self.network.place(device)
        return self.to(device)

    def forward(self, images: Tensor) -> tuple[Tensor, HeadOutputs]:
        """Convolutions run in the configured precision, all else in float32."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.in_half):
            maps = self.network.maps(images)
        embedding: Tensor = self.network.embedding(self.network.pool(maps))
        return embedding, self.heads(embedding, maps[-1].float())
