"""The embedder where memory is short: smaller micro-batches, and the same numbers."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.embedder import Embedder
from model.errors import EmbeddingError
from tests.unit.model.made import slices


def limit_memory(embedder: Embedder, *, fits: int, error: RuntimeError) -> list[int]:
    """Let the network's first layer fail for larger batches; returns the sizes it is given."""
    sizes: list[int] = []

    def refuse(_module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > fits:
            raise error

    embedder._network.stem.register_forward_pre_hook(refuse)
    return sizes


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

    assert max(sizes) == 8
    assert embedder.micro_batch == 2
    np.testing.assert_allclose(found, expected, atol=1e-5)
    sizes.clear()
    embedder.coordinates(images)
    assert max(sizes) == 2


@pytest.mark.parametrize("cores", [2], indirect=True)
def test_what_found_no_memory_beside_others_is_tried_alone(
    checkpoint: Checkpoint, cores: int
) -> None:
    embedder = Embedder(checkpoint, micro_batch=1)
    expected = Embedder(checkpoint).coordinates(slices(4))
    failures = [RuntimeError("not enough memory")] * 2

    def refuse(_module: torch.nn.Module, _inputs: object) -> None:
        if failures:
            raise failures.pop()

    embedder._network.stem.register_forward_pre_hook(refuse)

    np.testing.assert_allclose(embedder.coordinates(slices(4)), expected, atol=1e-5)
    assert not failures


def test_no_memory_for_one_slice_is_an_error(checkpoint: Checkpoint) -> None:
    embedder = Embedder(checkpoint)
    limit_memory(embedder, fits=0, error=RuntimeError("not enough memory"))

    with pytest.raises(EmbeddingError, match="single slice"):
        embedder.coordinates(slices(2))


@pytest.mark.parametrize(("cores", "most"), [(1, 1), (3, 6)], indirect=["cores"])
def test_a_stream_goes_on_in_smaller_parts_as_soon_as_memory_runs_out(
    checkpoint: Checkpoint, cores: int, most: int
) -> None:
    images = slices(160)
    expected = Embedder(checkpoint).coordinates(images)
    embedder = Embedder(checkpoint, micro_batch=8)
    sizes = limit_memory(embedder, fits=2, error=RuntimeError("not enough memory"))
    allowed: list[int] = []

    def batches() -> Iterator[NDArray[np.float32]]:
        for start in range(0, 160, 8):
            allowed.append(embedder.micro_batch)
            yield images[start : start + 8]

    np.testing.assert_allclose(embedder.coordinates_of(batches()), expected, atol=1e-5)
    large = allowed.count(8)
    assert large <= most, "what the lanes take ahead, and no more"
    assert allowed == [8] * large + [2] * (20 - large)
    assert sizes.count(8) == 2 * large, "tried beside others, and once more alone"


@pytest.mark.parametrize("cores", [2], indirect=True)
def test_the_end_of_a_stream_that_found_no_memory_beside_the_next_is_tried_alone(
    checkpoint: Checkpoint, cores: int
) -> None:
    embedder = Embedder(checkpoint, micro_batch=1)
    images = slices(24)
    expected = Embedder(checkpoint).coordinates(images)
    busy: list[None] = []
    crowds: list[int] = []

    def enter(_module: torch.nn.Module, _inputs: object) -> None:
        busy.append(None)
        crowds.append(len(busy))
        if len(crowds) in (3, 4):
            busy.pop()
            raise RuntimeError("not enough memory")

    def leave(_module: torch.nn.Module, _inputs: object, _found: object) -> None:
        busy.pop()

    embedder._network.stem.register_forward_pre_hook(enter)
    embedder._network.stem.register_forward_hook(leave)
    first = embedder.begin([images[:4]])
    second = embedder.begin([images[4:]])
    np.testing.assert_allclose(first(), expected[:4], atol=1e-5)
    assert crowds[-2:] == [1, 1], "what was tried again had no neighbour"
    np.testing.assert_allclose(second(), expected[4:], atol=1e-5)


@pytest.mark.parametrize("cores", [1], indirect=True)
def test_the_rest_of_a_batch_is_smaller_at_once(checkpoint: Checkpoint, cores: int) -> None:
    embedder = Embedder(checkpoint, micro_batch=8)
    sizes = limit_memory(embedder, fits=4, error=RuntimeError("not enough memory"))

    embedder.coordinates(slices(24))

    assert sizes == [8, 8, *[4] * 6]
