"""Random variation keeps a slice a slice."""

import pytest
import torch

from model.augment import AugmentConfig, augment

OFF = AugmentConfig(
    flip=False,
    rotation_degrees=0,
    max_scale=1,
    shift=0,
    gamma=0,
    gain=0,
    bias_field=0,
    noise=0,
    cut_out=0,
)


def batch() -> torch.Tensor:
    images = torch.zeros(6, 1, 32, 32)
    images[:, :, 8:24, 8:20] = 0.6
    return images


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shape_and_range_stay() -> None:
    varied = augment(batch(), AugmentConfig(), generator())

    assert varied.shape == (6, 1, 32, 32)
    assert varied.isfinite().all()
    assert 0 <= varied.min() < varied.max() <= 1


def test_the_generator_fixes_the_outcome() -> None:
    first = augment(batch(), AugmentConfig(), generator(1))

    torch.testing.assert_close(augment(batch(), AugmentConfig(), generator(1)), first)
    assert not torch.equal(augment(batch(), AugmentConfig(), generator(2)), first)


def test_with_everything_off_the_slice_stays() -> None:
    torch.testing.assert_close(augment(batch(), OFF, generator()), batch(), atol=1e-5, rtol=0)


def test_a_flip_mirrors_left_and_right() -> None:
    varied = augment(batch(), AugmentConfig(**{**vars(OFF), "flip": True}), generator())
    mirrored = batch().flip(-1)

    for image, original, mirror in zip(varied, batch(), mirrored, strict=True):
        assert torch.allclose(image, original, atol=1e-4) or torch.allclose(
            image, mirror, atol=1e-4
        )
    assert not torch.allclose(varied, batch(), atol=1e-4)


@pytest.mark.parametrize("name", ["gamma", "gain", "bias_field", "noise"])
def test_shading_changes_the_head_and_leaves_the_air_black(name: str) -> None:
    varied = augment(batch(), AugmentConfig(**{**vars(OFF), name: 0.3}), generator())
    head = batch() > 0

    assert (varied[~head] == 0).all()
    assert not torch.allclose(varied[head], batch()[head], atol=1e-3)


def test_rotation_keeps_the_mass_near_the_middle() -> None:
    config = AugmentConfig(**{**vars(OFF), "rotation_degrees": 20.0})
    varied = augment(batch(), config, generator())

    torch.testing.assert_close(varied.sum((1, 2, 3)), batch().sum((1, 2, 3)), rtol=0.02, atol=0)
    assert not torch.allclose(varied, batch(), atol=0.05)


def test_the_cut_out_takes_one_square_from_some() -> None:
    full = torch.ones(40, 1, 20, 20)
    varied = augment(full, AugmentConfig(**{**vars(OFF), "cut_out": 0.25}), generator())
    lost = (varied < 0.5).sum((1, 2, 3))

    assert set(lost.tolist()) == {0, 25}
