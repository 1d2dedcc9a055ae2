"""What a network must offer to be trained here: MSNet does, and so do those it is compared with."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from model.network_config import MSNetConfig


class Shape(Protocol):
    """Plain numbers that describe a network."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the activations of each scale."""


class EmbeddingNetwork(Protocol):
    """A torch module whose last layer, `embedding`, is affine."""

    embedding: nn.Linear

    @property
    def config(self) -> Shape:
        """Its shape."""

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Activations of its scales, (B, width, H, W) each, of slices (B, 1, S, S)."""

    def pool(self, maps: Any) -> Tensor:
        """Features (B, F) of these activations; `embedding` takes them."""

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings (B, E) of unit length."""

    def place(self, device: torch.device | str) -> Self:
        """Move to a device."""

    def eval(self) -> Self:
        """Go into evaluation mode, as torch modules do."""

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """All its parts by name, as torch modules tell them."""

    def state_dict(self) -> dict[str, Any]:
        """Its weights, as torch modules give them."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take weights, as torch modules do."""


MakeNetwork = Callable[[MSNetConfig], EmbeddingNetwork]
