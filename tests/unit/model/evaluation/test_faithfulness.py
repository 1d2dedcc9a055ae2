from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model.dataset import Dataset
from model.errors import EvaluationError
from model.evaluation.deletion import deletion_areas, random_maps
from model.evaluation.faithfulness import (
    Faithfulness,
    inside,
    matched_pairs,
    measure_faithfulness,
    points_into,
)
from model.explanation.explainer import PairExplanation, SliceExplanation
from model.explanation.heat import pair_heat
from model.msnet import MSNet
from model.preprocess import PreprocessConfig
from tests.unit.model.explanation import squares

Pictures = NDArray[np.float32]


@pytest.fixture(scope="module", params=[False, True], ids=["as they are", "mirrored"])
def network(request: pytest.FixtureRequest) -> MSNet:
    return squares.network(mirrored=request.param)


@pytest.fixture(scope="module")
def embed(network: MSNet) -> Callable[[Pictures], Pictures]:
    r = squares.basis_r(network)

    @torch.no_grad()
    def embed(pictures: Pictures) -> Pictures:
        found: Pictures = network.coordinates(torch.from_numpy(pictures)[:, None], r).numpy()
        return found

    return embed


def made_dataset() -> Dataset:
    """Eight pictures with squares of two labels; the last one's box is unknown."""
    count = 8
    places = [squares.PLACES[n % 4] for n in range(count)]
    lesions = np.stack([squares.box(place) for place in places])
    lesions[-1] = np.nan
    return Dataset(
        images=np.stack([squares.square(place, seed=n) for n, place in enumerate(places)]),
        labels=np.arange(count, dtype=np.int64) % 2,
        groups=np.arange(count, dtype=np.int64) // 2,
        label_names=("even", "odd"),
        preprocess=PreprocessConfig(size=squares.SIZE),
        lesions=lesions,
        group_names=tuple(f"patient {n}" for n in range(count // 2)),
        sop_instance_uids=tuple(f"1.{n}" for n in range(count)),
    )


def explain_as(network: MSNet, *, upside_down: bool = False) -> Callable[..., PairExplanation]:
    def explain(first: Pictures, second: Pictures) -> PairExplanation:
        found = pair_heat(network, squares.basis_r(network), squares.tensors(first, second))
        heats = found.heat.numpy()
        sides = [
            SliceExplanation(1 - heat if upside_down else heat, (0.0, 0.0, 0.0), 0.0)
            for heat in heats
        ]
        return PairExplanation(found.similarity.item(), *sides)

    return explain


PAIRS = np.array([[0, 4], [1, 5], [2, 6], [3, 5]])


def measured(
    network: MSNet, embed: Callable[[Pictures], Pictures], *, upside_down: bool = False
) -> Faithfulness:
    explain = explain_as(network, upside_down=upside_down)
    return measure_faithfulness(
        made_dataset(), PAIRS, explain, embed, asked=5, resamples=50, seed=1
    )


def test_good_explanations_point_at_the_square_and_beat_random_maps(
    network: MSNet, embed: Callable[[Pictures], Pictures]
) -> None:
    found = measured(network, embed)
    assert (found.matched, found.asked, found.groups) == (4, 5, 2)
    assert found.points_in_query.value == found.points_in_neighbour.value == 1
    assert found.points_by_label == {"even": 1.0, "odd": 1.0}
    # Dilated by 0.6 pixels on each side, a box of 12 holds the centres of 14.
    assert found.points_by_chance == pytest.approx((14 / 64) ** 2)
    assert found.advantage.low > 0
    assert found.advantage.value == pytest.approx(
        found.random_deletion.value - found.deletion.value
    )


def test_explanations_upside_down_do_neither(
    network: MSNet, embed: Callable[[Pictures], Pictures]
) -> None:
    found = measured(network, embed, upside_down=True)
    assert found.points_in_query.value == 0
    assert found.advantage.value < 0


def test_the_seed_fixes_the_figures(network: MSNet, embed: Callable[[Pictures], Pictures]) -> None:
    assert measured(network, embed) == measured(network, embed)


def test_pairs_are_queries_with_their_nearest_of_the_same_label() -> None:
    vectors = np.eye(8, dtype=np.float32)
    vectors[0] = vectors[4]  # the same label
    vectors[1] = vectors[6]  # another one
    vectors[3] = vectors[7]  # the same, but its lesion is not known
    pairs = matched_pairs(made_dataset(), vectors, np.array([0, 1, 3]), np.array([4, 5, 6, 7]))
    assert pairs.tolist() == [[0, 4]]


def test_without_a_match_there_is_nothing_to_measure() -> None:
    vectors = np.eye(8, dtype=np.float32)
    vectors[1] = vectors[6]
    with pytest.raises(EvaluationError, match="no query with a lesion box found"):
        matched_pairs(made_dataset(), vectors, np.array([1]), np.array([4, 6]))
    with pytest.raises(EvaluationError, match="no query with a lesion box"):
        matched_pairs(made_dataset(), vectors, np.array([7]), np.array([4, 6]))


def test_a_box_is_dilated_by_a_tenth() -> None:
    box = np.array([0.25, 0.5, 0.75, 0.9], np.float32)
    found = inside((40, 40), box)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    # 0.225 to 0.775 and 0.48 to 0.92 of 40 pixels, whose centres are at halves.
    assert (columns[0], columns[-1]) == (9, 30)
    assert (rows[0], rows[-1]) == (19, 36)


def test_only_the_hottest_pixel_points() -> None:
    heat = np.full((10, 10), 0.9, np.float32)
    heat[2, 7] = 1
    assert points_into(heat, np.array([0.7, 0.2, 0.8, 0.3], np.float32))
    assert not points_into(heat, np.array([0.2, 0.7, 0.3, 0.8], np.float32))


def test_deleting_what_counts_costs_more_similarity(
    embed: Callable[[Pictures], Pictures],
) -> None:
    picture, other = squares.square((6, 8)), squares.square((40, 44), seed=5)
    on_square = np.zeros_like(picture)
    on_square[6:18, 8:20] = 1
    areas = deletion_areas(
        picture, embed(other[None])[0], [on_square, on_square[::-1, ::-1].copy()], embed
    )
    assert areas[0] < areas[1]


def test_random_maps_are_smooth_and_differ() -> None:
    one, other = random_maps(2, 48, np.random.default_rng(0))
    assert one.shape == (48, 48)
    assert np.abs(one - other).max() > 0
    assert np.abs(np.diff(one, axis=0)).max() < 0.3 * np.ptp(one)
