"""The embedder: the same numbers as the network, whatever the batches."""

from dataclasses import replace
from threading import current_thread

import numpy as np
import pytest
import torch

from model.checkpoint import Checkpoint
from model.embedder import Embedder
from model.errors import CheckpointError, EmbeddingError
from tests.unit.model.made import SIZE, network, slices


def test_coordinates_are_those_of_the_network(checkpoint: Checkpoint) -> None:
    images = slices(5)
    with torch.no_grad():
        embeddings = network().embed(torch.from_numpy(images)[:, None]).numpy()

    embedder = Embedder(checkpoint)
    coordinates = embedder.coordinates(images)

    assert coordinates.dtype == np.float32
    assert coordinates.shape == (5, embedder.coordinate_dim)
    np.testing.assert_allclose(coordinates @ embedder.basis.T, embeddings, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(coordinates, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("cores", [1, 3], indirect=True)
@pytest.mark.parametrize("micro_batch", [1, 3, 64, None])
def test_batching_and_order_do_not_show(
    checkpoint: Checkpoint, micro_batch: int | None, cores: int
) -> None:
    images = slices(10)
    order = np.random.default_rng(2).permutation(10)
    expected = np.concatenate([Embedder(checkpoint).coordinates(images[n : n + 1]) for n in order])
    embedder = Embedder(checkpoint, micro_batch=micro_batch)

    for batch in (10, 7, 1):
        parts = [embedder.coordinates(images[order][n : n + batch]) for n in range(0, 10, batch)]
        np.testing.assert_allclose(np.concatenate(parts), expected, rtol=0, atol=1e-5)
    assert torch.get_num_threads() == cores


@pytest.mark.parametrize("cores", [3], indirect=True)
def test_many_slices_are_computed_side_by_side(checkpoint: Checkpoint, cores: int) -> None:
    embedder = Embedder(checkpoint, micro_batch=2)
    threads: set[tuple[str, int]] = set()

    def notice(_module: torch.nn.Module, _inputs: object) -> None:
        threads.add((current_thread().name, torch.get_num_threads()))

    embedder._network.stem.register_forward_pre_hook(notice)
    embedder.coordinates(slices(1))
    assert threads == {(current_thread().name, cores)}
    threads.clear()
    embedder.coordinates(slices(8 * embedder.micro_batch))

    assert {number for _, number in threads} == {1}
    assert current_thread().name not in {name for name, _ in threads}


def test_batches_that_come_one_by_one_are_embedded_in_order(checkpoint: Checkpoint) -> None:
    images, embedder = slices(23), Embedder(checkpoint, micro_batch=4)

    found = embedder.coordinates_of(images[n : n + 5] for n in range(0, 23, 5))

    np.testing.assert_allclose(found, embedder.coordinates(images), atol=1e-5)
    assert embedder.coordinates_of([]).shape == (0, 29)


@pytest.mark.parametrize("cores", [1, 2], indirect=True)
def test_the_next_slices_can_be_begun_before_the_last_are_done(
    checkpoint: Checkpoint, cores: int
) -> None:
    images, embedder = slices(30), Embedder(checkpoint, micro_batch=1)

    under_way = [embedder.begin([images[n : n + 6]]) for n in range(0, 30, 6)]
    found = np.concatenate([finish() for finish in under_way])

    np.testing.assert_array_equal(found, embedder.coordinates(images))


def test_an_empty_batch_is_fine(checkpoint: Checkpoint) -> None:
    assert Embedder(checkpoint).coordinates(slices(0)).shape == (0, 29)


def test_other_runtime_errors_are_not_swallowed(checkpoint: Checkpoint) -> None:
    embedder = Embedder(checkpoint)

    def fail(_module: torch.nn.Module, _inputs: object) -> None:
        raise RuntimeError("broken kernel")

    embedder._network.stem.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="broken kernel"):
        embedder.coordinates(slices(2))


def test_a_wrong_shape_and_nan_are_refused(checkpoint: Checkpoint) -> None:
    embedder = Embedder(checkpoint)
    broken = slices(1)
    broken[0, 0, 0] = np.nan

    with pytest.raises(EmbeddingError, match="shape"):
        embedder.coordinates(np.zeros((2, SIZE, SIZE + 1), np.float32))
    with pytest.raises(EmbeddingError, match="NaN"):
        embedder.coordinates(broken)


def test_it_says_which_encoder_it_is(checkpoint: Checkpoint) -> None:
    embedder = Embedder(checkpoint)

    assert embedder.name == f"msnet-{embedder.digest[:12]}"
    assert embedder.preprocess_config.size == SIZE
    assert embedder.basis.shape == (64, 29)


def test_an_unknown_device_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(EmbeddingError, match="unknown device"):
        Embedder(checkpoint, device="abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_without_cuda_auto_is_the_cpu_and_cuda_an_error(checkpoint: Checkpoint) -> None:
    assert Embedder(checkpoint, device="auto").device.type == "cpu"
    with pytest.raises(EmbeddingError, match="no CUDA"):
        Embedder(checkpoint, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("batch", [1, 5, 10])
def test_cuda_agrees_with_the_cpu(checkpoint: Checkpoint, batch: int) -> None:
    images = slices(10)
    on_cpu = Embedder(checkpoint, device="cpu").coordinates(images)
    embedder = Embedder(checkpoint, device="cuda", micro_batch=4)

    parts = [embedder.coordinates(images[n : n + batch]) for n in range(0, 10, batch)]

    assert embedder.execution == "CUDA graph"
    np.testing.assert_allclose(np.concatenate(parts), on_cpu, rtol=0, atol=1e-4)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_bfloat16_stays_within_a_thousandth(checkpoint: Checkpoint, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    images = slices(10)
    exact = Embedder(checkpoint).coordinates(images)

    found = Embedder(checkpoint, device, precision="bfloat16").coordinates(images)

    assert 1e-6 < np.abs(found - exact).max() < 5e-3
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_weights_that_do_not_fit_are_refused(checkpoint: Checkpoint) -> None:
    weights = dict(checkpoint.weights)
    del weights["embedding.bias"]
    wider = replace(checkpoint.info, network=replace(checkpoint.info.network, widths=(8, 8, 16)))
    shapeless = replace(checkpoint.info, network=replace(checkpoint.info.network, widths=()))

    for broken in (
        replace(checkpoint, weights=weights),
        replace(checkpoint, info=wider),
        replace(checkpoint, info=shapeless),
        replace(checkpoint, weights={**checkpoint.weights, "halo": np.zeros(3, np.float32)}),
    ):
        with pytest.raises(CheckpointError, match="does not fit"):
            Embedder(broken)


def test_weights_that_lead_nowhere_are_refused_at_load(checkpoint: Checkpoint) -> None:
    negative = np.full_like(checkpoint.weights["stem.0.1.running_var"], -1)
    weights = {**checkpoint.weights, "stem.0.1.running_var": negative}

    with pytest.raises(CheckpointError, match="no finite numbers"):
        Embedder(replace(checkpoint, weights=weights))
