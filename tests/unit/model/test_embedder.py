"""The embedder: the same numbers as the network, whatever the batches."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import Checkpoint, load
from model.embedder import Embedder
from model.errors import CheckpointError, EmbeddingError
from tests.unit.model.made import SIZE, network, saved, slices


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return load(saved(tmp_path, network()))


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


@pytest.mark.parametrize("micro_batch", [1, 3, 64])
def test_batching_and_order_do_not_show(checkpoint: Checkpoint, micro_batch: int) -> None:
    images = slices(10)
    order = np.random.default_rng(2).permutation(10)
    expected = Embedder(checkpoint).coordinates(images)

    found = Embedder(checkpoint, micro_batch=micro_batch).coordinates(images[order])

    np.testing.assert_allclose(found, expected[order], atol=1e-5)


def test_an_empty_batch_is_fine(checkpoint: Checkpoint) -> None:
    assert Embedder(checkpoint).coordinates(slices(0)).shape == (0, 29)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
    ],
)
def test_running_out_of_memory_halves_the_batch(
    checkpoint: Checkpoint, error: RuntimeError
) -> None:
    images = slices(9)
    expected = Embedder(checkpoint).coordinates(images)
    embedder = Embedder(checkpoint, micro_batch=8)
    sizes = limit_memory(embedder, fits=2, error=error)

    found = embedder.coordinates(images)

    assert sizes == [8, 4, 2, 2, 2, 2, 1]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_memory_for_one_slice_is_an_error(checkpoint: Checkpoint) -> None:
    embedder = Embedder(checkpoint)
    limit_memory(embedder, fits=0, error=RuntimeError("not enough memory"))

    with pytest.raises(EmbeddingError, match="single slice"):
        embedder.coordinates(slices(2))


def test_other_runtime_errors_are_not_swallowed(checkpoint: Checkpoint) -> None:
    embedder = Embedder(checkpoint)
    limit_memory(embedder, fits=0, error=RuntimeError("broken kernel"))

    with pytest.raises(RuntimeError, match="broken kernel"):
        embedder.coordinates(slices(2))


def limit_memory(embedder: Embedder, *, fits: int, error: RuntimeError) -> list[int]:
    """Let the network's first layer fail for larger batches; returns the sizes it is given."""
    sizes: list[int] = []

    def refuse(_module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > fits:
            raise error

    embedder._network.stem.register_forward_pre_hook(refuse)
    return sizes


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
def test_cuda_agrees_with_the_cpu(checkpoint: Checkpoint) -> None:
    images = slices(10)

    on_cpu = Embedder(checkpoint, device="cpu").coordinates(images)
    on_cuda = Embedder(checkpoint, device="cuda").coordinates(images)

    np.testing.assert_allclose(on_cuda, on_cpu, atol=1e-4)


def test_weights_that_do_not_fit_are_refused(checkpoint: Checkpoint) -> None:
    weights = dict(checkpoint.weights)
    del weights["embedding.bias"]
    short = Checkpoint(checkpoint.name, checkpoint.digest, checkpoint.info, weights)

    with pytest.raises(CheckpointError, match="does not fit"):
        Embedder(short)
