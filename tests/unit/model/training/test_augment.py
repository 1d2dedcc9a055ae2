"""Random variation keeps a slice a slice, and says where each point went."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from model.training.augment import augment
from model.training.config import AugmentConfig
from tests.unit.model.training.settings import STILL


def varied_by(images: torch.Tensor, config: AugmentConfig, seed: int = 1) -> torch.Tensor:
    return augment(images, config, torch.Generator().manual_seed(seed))[0]


def batch() -> torch.Tensor:
    images = torch.zeros(6, 1, 32, 32)
    images[:, :, 8:24, 8:20] = 0.6
    return images


def test_shape_and_range_stay() -> None:
    varied = varied_by(batch(), AugmentConfig())

    assert varied.shape == (6, 1, 32, 32)
    assert varied.isfinite().all()
    assert 0 <= varied.min() < varied.max() <= 1


def test_the_generator_fixes_the_outcome() -> None:
    first = varied_by(batch(), AugmentConfig(), seed=1)

    torch.testing.assert_close(varied_by(batch(), AugmentConfig(), seed=1), first)
    assert not torch.equal(varied_by(batch(), AugmentConfig(), seed=2), first)


def test_with_everything_off_the_slice_stays() -> None:
    torch.testing.assert_close(varied_by(batch(), STILL), batch(), atol=1e-5, rtol=0)


def test_a_flip_mirrors_left_and_right() -> None:
    varied = varied_by(batch(), replace(STILL, flip=True))
    mirrored = batch().flip(-1)

    for image, original, mirror in zip(varied, batch(), mirrored, strict=True):
        assert torch.allclose(image, original, atol=1e-4) or torch.allclose(
            image, mirror, atol=1e-4
        )
    assert not torch.allclose(varied, batch(), atol=1e-4)


@pytest.mark.parametrize("name", ["gamma", "gain", "offset", "bias_field", "noise"])
def test_shading_changes_the_head_and_leaves_the_air_black(name: str) -> None:
    varied = varied_by(batch(), replace(STILL, **{name: 0.3}))
    head = batch() > 0

    assert (varied[~head] == 0).all()
    assert not torch.allclose(varied[head], batch()[head], atol=1e-3)


def test_rotation_keeps_the_mass_near_the_middle() -> None:
    varied = varied_by(batch(), replace(STILL, rotation_degrees=20.0))

    torch.testing.assert_close(varied.sum((1, 2, 3)), batch().sum((1, 2, 3)), rtol=0.02, atol=0)
    assert not torch.allclose(varied, batch(), atol=0.05)


def test_the_cut_out_takes_one_square_from_some() -> None:
    full = torch.ones(40, 1, 20, 20)
    varied = varied_by(full, replace(STILL, cut_out=0.25))
    lost = (varied < 0.5).sum((1, 2, 3))

    assert set(lost.tolist()) == {0, 25}


def test_focus_changes_edges_of_some_slices_and_keeps_flat_parts() -> None:
    varied = varied_by(batch().repeat(4, 1, 1, 1), replace(STILL, focus=0.5))
    changed = (varied - batch().repeat(4, 1, 1, 1)).abs().amax(dim=(1, 2, 3)) > 0.01

    assert 0 < changed.sum() < 24
    torch.testing.assert_close(
        varied[:, :, 12:20, 12:16], torch.full((24, 1, 8, 4), 0.6), atol=1e-4, rtol=0
    )


def test_the_warp_that_is_told_is_the_one_that_was_made() -> None:
    config = replace(STILL, flip=True, rotation_degrees=25.0, max_scale=1.3, shift=0.1)
    smooth = functional.interpolate(torch.rand(5, 1, 4, 4), size=(32, 32), mode="bicubic")
    smooth = smooth.clamp(0.2, 1.0)

    varied, theta = augment(smooth, config, torch.Generator().manual_seed(3))
    grid = functional.affine_grid(theta, [5, 1, 32, 32], align_corners=False)
    expected = functional.grid_sample(smooth, grid, align_corners=False)

    inside = expected > 0.1
    torch.testing.assert_close(varied[inside], expected[inside], atol=1e-4, rtol=0)


def test_bends_move_the_edge_by_no_more_than_told() -> None:
    ramp = torch.linspace(0.2, 0.8, 64).expand(8, 1, 64, 64).contiguous()

    varied = varied_by(ramp, replace(STILL, elastic=0.05))

    inner = slice(8, -8)
    moved = (varied - ramp)[:, :, inner, inner].abs() * 63 / 0.6
    assert 1.0 < moved.max() <= 0.05 * 64 * 1.3  # cubic interpolation overshoots a little
    assert len({image.numpy().tobytes() for image in varied}) == 8
