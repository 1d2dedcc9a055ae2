"""The explaining process: what it answers, and how it ends."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import load
from model.explanation.explainer import Explainer
from model.placement import Placement
from service.errors import Unavailable
from service.explained import Explained
from service.explaining import explain
from service.explaining_process import explain_with
from service.network_process import NetworkProcess
from service.showing import ShownSlice
from tests.support.encoders import unit
from tests.support.waiting import eventually


@pytest.fixture
def network() -> Iterator[NetworkProcess]:
    made = NetworkProcess()
    yield made
    made.close()


def shown(seed: int, side: int = 32) -> ShownSlice:
    prepared = np.random.default_rng(seed).random((side, side)).astype(np.float32)
    return ShownSlice(
        shape=(side, side),
        grey=(prepared * 255).astype(np.uint8),
        prepared=prepared,
        placement=Placement(((1, 0), (0, 1)), (0, 0)),
    )


def test_the_process_answers_as_the_explainer_does(
    network: NetworkProcess, checkpoint_file: Path
) -> None:
    found = explain(network, checkpoint_file, shown(1), shown(2))
    assert isinstance(found, Explained)
    here = explain_with(Explainer(load(checkpoint_file)), shown(1), shown(2))
    assert found.encoder == checkpoint_file.stem
    assert found.similarity == pytest.approx(here.similarity, abs=1e-5)
    np.testing.assert_allclose(found.first.heat, here.first.heat, atol=2e-3)
    assert found.png is not None
    assert found.png.startswith(b"\x89PNG")


def test_a_background_reaches_the_process(network: NetworkProcess, checkpoint_file: Path) -> None:
    usual = unit(np.random.default_rng(1).normal(size=29))
    without = explain(network, checkpoint_file, shown(1), shown(2), picture=False)
    against = explain(network, checkpoint_file, shown(1), shown(2), usual, picture=False)
    assert without.png is against.png is None
    assert against.similarity == pytest.approx(without.similarity, abs=1e-6)
    assert against.first.heat != without.first.heat


def test_whoever_finds_all_places_taken_is_told_to_come_again(checkpoint_file: Path) -> None:
    network = NetworkProcess(places=1)

    def ask(seed: int) -> str:
        try:
            explain(network, checkpoint_file, shown(seed), shown(seed + 1))
        except Unavailable as error:
            return str(error)
        return "explained"

    # The first to come keeps its place while the process starts.
    with ThreadPoolExecutor(3) as threads:
        answers = sorted(threads.map(ask, range(3)))
    network.close()
    told = "The encoder has too many questions to answer; try again in a moment."
    assert answers == [told] * 2 + ["explained"]


def process_number() -> int:
    """The number that the next process would have: they are counted as they are made."""
    return int(multiprocessing.get_context("spawn").Process().name.rpartition("-")[2])


def test_what_takes_too_long_is_given_up_and_not_tried_again(checkpoint_file: Path) -> None:
    others = set(multiprocessing.active_children())
    network = NetworkProcess(timeout_s=0.01)
    before = process_number()
    with pytest.raises(Unavailable, match="did not come to an end"):
        explain(network, checkpoint_file, shown(1), shown(2))
    assert process_number() - before - 1 == 1
    assert set(multiprocessing.active_children()) <= others
    network.close()


def test_weights_that_cannot_be_read_are_unavailable(
    network: NetworkProcess, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="The encoder cannot explain: cannot read"):
        explain(network, tmp_path / "msnet-0123456789ab.safetensors", shown(1), shown(2))


def test_slices_prepared_for_another_encoder_are_unavailable(
    network: NetworkProcess, checkpoint_file: Path
) -> None:
    with pytest.raises(Unavailable, match=r"\(32, 32\), not \(16, 16\)"):
        explain(network, checkpoint_file, shown(1, side=16), shown(2, side=16))


def test_the_idle_process_ends_and_comes_back(checkpoint_file: Path) -> None:
    others = set(multiprocessing.active_children())
    network = NetworkProcess(idle_s=0.05)
    first = explain(network, checkpoint_file, shown(1), shown(2))
    eventually(
        lambda: set(multiprocessing.active_children()) <= others, "the idle process has ended"
    )
    again = explain(network, checkpoint_file, shown(1), shown(2))
    assert again.similarity == pytest.approx(first.similarity, abs=1e-6)
    network.close()


def test_the_small_encoder_has_the_coordinates_assumed_here(checkpoint_file: Path) -> None:
    assert load(checkpoint_file).info.network.coordinate_dim == 29
