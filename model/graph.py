"""CUDA graphs of one function of a batch: the launches of all its kernels in a single one.

A slice needs some hundred small kernels, and launching them one by one takes Python longer than a
large GPU needs to run them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_WARM_UPS = 3  # lets cuDNN choose its kernels and the allocator find its blocks


class Graphs:
    """A function of image batches on one CUDA device, recorded for each power of two.

    A batch in between runs on the next larger recording, with places left over. Raises RuntimeError
    where the function cannot be recorded, torch.cuda.OutOfMemoryError if memory does not suffice.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function
        self._recorded: dict[int, _Graph] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """What the function says of these images; the first call of a size records it."""
        size = 1 << (len(images) - 1).bit_length()
        if size not in self._recorded:
            blank = images.new_zeros((size, *images.shape[1:]))
            example = blank.to(memory_format=torch.channels_last)
            self._recorded[size] = _Graph(self._function, example)
        return self._recorded[size](images)


class _Graph:
    """A recorded function for inputs of exactly one shape."""

    def __init__(self, function: Callable[[Tensor], Tensor], example: Tensor) -> None:
        self._input = example
        aside = torch.cuda.Stream(example.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(example.device))
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                function(self._input)
        torch.cuda.current_stream(example.device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = function(self._input)

    def __call__(self, images: Tensor) -> Tensor:
        self._input[: len(images)].copy_(images)
        self._graph.replay()
        return self._output[: len(images)].clone()
