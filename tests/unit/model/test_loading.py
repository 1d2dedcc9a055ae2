"""Loading a network: its coordinates must be proven to lose nothing."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.errors import CheckpointError
from model.loading import lossless_basis
from model.msnet import MSNet
from model.turning import leading_directions
from tests.unit.model.made import TINY, network


def test_the_basis_is_orthonormal_and_gives_the_last_layer_back() -> None:
    made = network()
    features = torch.rand(5, TINY.feature_dim, generator=torch.Generator().manual_seed(3))

    q, r = lossless_basis(made, "made")

    assert q.dtype == r.dtype == torch.float32
    torch.testing.assert_close(q.T @ q, torch.eye(q.shape[1]), atol=1e-5, rtol=0)
    coordinates = torch.nn.functional.pad(features, (0, 1), value=1.0) @ r.T
    with torch.no_grad():
        expected = made.embedding(features)
    torch.testing.assert_close(coordinates @ q.T, expected, atol=1e-5, rtol=1e-5)


def test_directions_become_the_leading_coordinates_and_lose_nothing() -> None:
    made = network()
    q, r = lossless_basis(made, "made")
    features = torch.rand(50, TINY.feature_dim, generator=torch.Generator().manual_seed(3))
    plain = torch.nn.functional.pad(features, (0, 1), value=1.0) @ r.T
    directions = leading_directions(plain.numpy(), 3)

    turned_q, turned_r = lossless_basis(made, "made", directions)

    turned = torch.nn.functional.pad(features, (0, 1), value=1.0) @ turned_r.T
    torch.testing.assert_close(turned @ turned_q.T, plain @ q.T, atol=1e-5, rtol=1e-5)
    leading = turned[:, :3].var(dim=0).sum() / turned.var(dim=0).sum()
    assert leading > plain[:, :3].var(dim=0).sum() / plain.var(dim=0).sum()


@pytest.mark.parametrize("shape", [(TINY.coordinate_dim,), (3, 2), (TINY.coordinate_dim, 0)])
def test_directions_of_another_network_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(CheckpointError, match="directions"):
        lossless_basis(network(), "made", np.ones(shape, np.float32))


class Skewed(MSNet):
    """Its basis is spoilt by `spoil(q, r)`."""

    spoil: Any

    def basis(self) -> tuple[Tensor, Tensor]:
        q, r = super().basis()
        return self.spoil(q, r)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda q, r: (q * 1.001, r), "orthonormal"),
        (lambda q, r: (q.index_copy(1, torch.tensor([0]), q[:, 1:2]), r), "orthonormal"),
        (lambda q, r: (q * float("nan"), r), "orthonormal"),
        (lambda q, r: (q, r * 1.001), "give back"),
        (lambda q, r: (q, r.flip(1)), "give back"),
        (lambda q, r: (q, r * float("nan")), "give back"),
    ],
)
def test_a_basis_that_would_lose_something_is_refused(spoil: Any, words: str) -> None:
    skewed = Skewed(TINY)
    skewed.spoil = spoil

    with pytest.raises(CheckpointError, match=words):
        lossless_basis(skewed, "skewed")


def test_a_last_layer_without_rank_is_still_lossless() -> None:
    made = network()
    with torch.no_grad():
        made.embedding.weight.zero_()
        made.embedding.bias.fill_(1.0)

    q, r = lossless_basis(made, "made")

    torch.testing.assert_close(q.T @ q, torch.eye(q.shape[1]), atol=1e-5, rtol=0)
    assert r.isfinite().all()
