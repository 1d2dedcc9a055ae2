"""The drawn heads look like heads where it can be measured: HU, contrast, coherence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.demo.cases import GLIOMA, HEMORRHAGE, LABELS, PITUITARY, Case
from service.demo.head import FIELD_OF_VIEW_MM, HeadParameters
from service.demo.lesions import Glioma, Hemorrhage, PituitaryTumor
from service.demo.phantom import SIZE, draw_ct, draw_mr
from tests.support.heads import UPRIGHT as HEAD

BLEED = Hemorrhage(x=-27, y=-4, height=42, radius=15, half_height=14, seed=3, ventricular=False)
RING = Glioma(x=30, y=20, height=48, radius=17, half_height=15, seed=4, oedema=8)
ADENOMA = PituitaryTumor(x=0, y=-12.5, height=5, radius=12, half_height=12, seed=5)


def noise(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def near(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    """Pixels within `radius` mm of the point (x, y) of an unturned head in the middle."""
    axis = (np.arange(SIZE) + 0.5) * FIELD_OF_VIEW_MM / SIZE - FIELD_OF_VIEW_MM / 2
    inside: NDArray[np.bool_] = np.hypot(axis[None, :] - x, axis[:, None] - y) < radius
    return inside


def disc(image: NDArray[Any], x: float, y: float, radius: float) -> NDArray[np.float64]:
    return image[near(x, y, radius)].astype(np.float64)


def grown(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    for _ in range(pixels):
        mask = np.logical_or.reduce(
            [mask, *(np.roll(mask, step, axis) for axis in (0, 1) for step in (-1, 1))]
        )
    return mask


def test_ct_has_the_hounsfield_units_of_air_bone_brain_and_water() -> None:
    image = draw_ct(HEAD, 52, noise())
    assert image.dtype == np.int16
    assert image.shape == (SIZE, SIZE)
    assert image[:20, :20].mean() == pytest.approx(-1000, abs=5)
    assert np.percentile(image, 99) > 900
    assert 24 < np.median(disc(image, 32, 5, 5)) < 42
    assert 0 < np.median(disc(image, 8.5, -25, 1.5)) < 18
    assert -120 < image[image < -40].max() < -30


def test_bleed_is_dense_and_stands_in_a_dark_rim() -> None:
    with_bleed = draw_ct(HEAD, 42, noise(), lesion=BLEED)
    without = draw_ct(HEAD, 42, noise())
    centre = np.median(disc(with_bleed, BLEED.x, BLEED.y, 6))
    assert 55 <= centre <= 80
    assert np.median(disc(without, BLEED.x, BLEED.y, 6)) < 45
    clot = (with_bleed > 48) & near(BLEED.x, BLEED.y, 26)
    belt = grown(clot, 4) & ~grown(clot, 2)
    assert np.median(with_bleed[belt]) < np.median(without[belt]) - 6


def test_bleed_ends_above_and_below() -> None:
    far = draw_ct(HEAD, 66, noise(), lesion=BLEED)
    assert np.median(disc(far, BLEED.x, BLEED.y, 6)) < 45


def test_bleed_that_broke_through_fills_the_ventricle_of_its_side() -> None:
    broken = Hemorrhage(**{**vars(BLEED), "ventricular": True})
    horn = [
        disc(draw_ct(HEAD, 42, noise(), lesion=lesion), -24, 28, 2) for lesion in (broken, BLEED)
    ]
    assert np.median(horn[0]) > np.median(horn[1]) + 25


def test_mr_shows_fat_bright_fluid_dark_and_white_matter_above_grey() -> None:
    image = draw_mr(HEAD, 46, noise())
    assert image.dtype == np.uint16
    white = np.median(disc(image, 24, -32, 3))
    assert 450 < white < 800
    assert np.median(disc(image, 28, -8, 3)) < 0.93 * white
    assert np.median(disc(image, 8.5, -25, 1.5)) < 0.5 * white
    assert np.percentile(image, 99) > 1.4 * white
    assert 0 < image[:20, :20].mean() < 0.1 * white


def test_glioma_has_a_bright_ring_round_a_dark_core() -> None:
    image = draw_mr(HEAD, 48, noise(), lesion=RING)
    healthy = np.median(disc(image, -RING.x, RING.y, 5))
    assert np.median(disc(image, RING.x, RING.y, 4)) < 0.75 * healthy
    assert np.percentile(disc(image, RING.x, RING.y, 21), 90) > 1.4 * healthy


def test_glioma_pushes_the_brain_aside() -> None:
    dry = Glioma(**{**vars(RING), "oedema": 0.0})
    change = np.abs(draw_mr(HEAD, 48, noise(), lesion=dry).astype(int) - draw_mr(HEAD, 48, noise()))
    beyond = near(RING.x, RING.y, 34) & ~near(RING.x, RING.y, 26)
    assert change[beyond].mean() > 10
    assert disc(change, -50, -20, 10).mean() < 1


def test_mass_effect_moves_away_from_the_lesion_and_fades() -> None:
    x = np.array([RING.x + RING.radius, RING.x + 3 * RING.radius], dtype=np.float32)
    y = np.full_like(x, RING.y)
    came_from_x, came_from_y = RING.push(RING.height)(x, y)
    moved = x - came_from_x
    assert 1 < moved[0] < RING.radius
    assert 0 <= moved[1] < 0.2 * moved[0]
    np.testing.assert_allclose(came_from_y, y, atol=1e-4)


def test_sellar_mass_is_bright_even_and_in_the_midline() -> None:
    image = draw_mr(HEAD, 5, noise(), lesion=ADENOMA)
    mass = disc(image, ADENOMA.x, ADENOMA.y, 7)
    assert np.median(mass) > 1.3 * np.median(disc(image, 38, -5, 4))
    assert mass.std() < 0.15 * mass.mean()


def test_the_same_seed_draws_the_same_slice_and_another_one_another() -> None:
    first, again = draw_ct(HEAD, 40, noise(1)), draw_ct(HEAD, 40, noise(1))
    np.testing.assert_array_equal(first, again)
    assert (draw_ct(HEAD, 40, noise(2)) != first).mean() > 0.5


def test_neighbouring_slices_belong_to_one_head() -> None:
    other_head = HeadParameters(**{**vars(HEAD), "seed": 8})
    lower, upper = draw_mr(HEAD, 60, noise(1)), draw_mr(HEAD, 60.5, noise(2))
    stranger = draw_mr(other_head, 60.5, noise(2))
    inside = slice(SIZE // 2 - 60, SIZE // 2 + 60)

    def likeness(a: NDArray[Any], b: NDArray[Any]) -> float:
        return float(np.corrcoef(a[inside, inside].ravel(), b[inside, inside].ravel())[0, 1])

    assert likeness(lower, upper) > likeness(lower, stranger) + 0.1


@pytest.mark.parametrize("height", [-8.0, 1.0, 10.0, 17.0, 25.0, 60.0, 88.0])
def test_every_height_gives_a_head_in_both_modalities(height: float) -> None:
    rng = np.random.default_rng(round(height) + 100)
    head = HeadParameters.drawn(rng)
    ct, mr = draw_ct(head, height, rng, size=96), draw_mr(head, height, rng, size=96)
    assert ct.shape == mr.shape == (96, 96)
    assert ct.min() >= -1024
    assert (ct > 500).mean() > 0.03
    assert 0.1 < (mr > 300).mean() < 0.8


def test_each_label_has_its_lesion_and_modality() -> None:
    cases = [Case.drawn(2018, number) for number in (1, 2, 3)]
    assert tuple(case.label for case in cases) == LABELS == (HEMORRHAGE, PITUITARY, GLIOMA)
    assert [type(case.lesion) for case in cases] == [Hemorrhage, PituitaryTumor, Glioma]
    assert [case.modality for case in cases] == ["CT", "MR", "MR"]


@pytest.mark.parametrize("number", range(1, 37))
def test_every_slice_of_a_patient_cuts_the_lesion(number: int) -> None:
    case = Case.drawn(2018, number)
    heights = case.heights(6)
    assert len(heights) == 6
    assert np.diff(heights) == pytest.approx(case.spacing(6))
    assert min(case.lesion.cut(height) for height in heights) > 4
