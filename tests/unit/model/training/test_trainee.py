"""Network and heads as one module."""

from dataclasses import replace

import torch

from model.training.trainee import Trainee
from tests.unit.model.training.settings import QUICK


def images() -> torch.Tensor:
    return torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def test_the_heads_see_embedding_and_last_map() -> None:
    embedding, heads = Trainee(QUICK, num_classes=3)(images())

    assert embedding.shape == (4, 64)
    assert (heads.labels.shape, heads.planes.shape) == ((4, 3), (4, 3))
    assert heads.lesions.shape == (4, 4, 4)


def test_each_head_teaches_the_network() -> None:
    for name in ("labels", "planes", "lesions"):
        trainee = Trainee(QUICK, num_classes=3)
        getattr(trainee(images())[1], name).square().sum().backward()

        first = next(trainee.network.parameters())
        assert first.grad is not None
        assert first.grad.abs().sum() > 0


def test_half_precision_stays_inside() -> None:
    config = replace(QUICK, schedule=replace(QUICK.schedule, precision="bfloat16"))
    torch.manual_seed(1)
    half = Trainee(config, num_classes=3).eval()
    torch.manual_seed(1)
    full = Trainee(QUICK, num_classes=3).eval()
    with torch.no_grad():
        found, expected = half(images()), full(images())

    assert found[0].dtype == found[1].labels.dtype == found[1].lesions.dtype == torch.float32
    assert not torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[0], expected[0], atol=0.05, rtol=0.05)
