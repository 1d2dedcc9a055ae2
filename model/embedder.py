"""Prepared slices -> coordinates of their embeddings, on CPU or CUDA by the same code.

It neither prepares images nor stores results. Torch's global state stays as it is, except for the
number of threads if one is asked for.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from threading import Event, Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.checkpoint import Checkpoint
from model.device import device_named
from model.errors import CheckpointError, EmbeddingError
from model.fold import fold_batch_norm
from model.graph import Graphs
from model.lanes import Lanes
from model.loading import basis_of, build_network
from model.micro_batch import Precision, micro_batch_for
from model.preprocess import PreprocessConfig

__all__ = ["Embedder", "Precision", "build_network"]

_CPU_OUT_OF_MEMORY = ("not enough memory", "can't allocate memory")

Pictures = NDArray[np.float32]
Coordinates = NDArray[np.float32]


@dataclass(frozen=True)
class _TooLarge:
    """A micro-batch for which memory did not suffice."""

    part: Pictures


class Embedder:
    """One encoder, ready to use: network, weights and what they ask of preprocessing.

    `device` is "cpu", "cuda" or "auto" (CUDA where there is any). `micro_batch`, how many slices go
    through the network at once, follows from their size unless given; when memory runs out it is
    halved, for good. `threads`, if given, sets torch's number of CPU threads for the whole process;
    as many micro-batches are computed side by side, and a single one is split over all cores:
    quickest on an idle machine, slowest on a busy one, where it is better without `split_slices`.
    In "bfloat16" convolutions are about twice as fast where the processor has them, and coordinates
    move by about 1e-3.

    One warm-up comes with construction. Raises CheckpointError if the weights do not fit the
    network or its coordinates would not be lossless, EmbeddingError if the device is not there.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "cpu",
        *,
        micro_batch: int | None = None,
        threads: int | None = None,
        precision: Precision = "float32",
        split_slices: bool = True,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = device_named(device)
        self.name = checkpoint.name
        self.digest = checkpoint.digest
        self.preprocess_config: PreprocessConfig = checkpoint.info.preprocess
        network = build_network(checkpoint)
        self.micro_batch = micro_batch or micro_batch_for(
            network.config, self.preprocess_config.size, self.device.type, precision
        )
        q, r = basis_of(network, checkpoint)
        self.basis: NDArray[np.float32] = q.numpy()
        self._r = r.to(self.device)
        self._network = fold_batch_norm(network).place(self.device)
        self._dtype = torch.float32 if precision == "float32" else torch.bfloat16
        # Pooling and the last layer stay in float32, where what is left of the error arises.
        self._network.stem.to(self._dtype)
        self._network.scales.to(self._dtype)
        lanes = torch.get_num_threads() if self.device.type == "cpu" else 1
        self._lanes = Lanes(lanes) if lanes > 1 else None
        self._handing_out = Lock()
        self._least_parts = lanes if split_slices else 1
        self._graphs: Graphs | None = None
        self.execution = "eager"
        self._warm_up()

    @property
    def coordinate_dim(self) -> int:
        """D, the length of a coordinate vector."""
        return int(self.basis.shape[1])

    def coordinates(self, batch: Pictures) -> Coordinates:
        """Coordinates of prepared slices, (N, S, S) -> (N, D) of unit length; N may be 0.

        `basis @ coordinates` is the 4,096-d embedding, and Euclidean distances are the same in
        both. Neither order nor the split into micro-batches shows in the result (to 1e-5 on one
        device, in float32).
        Raises EmbeddingError for another shape, for a number that is not finite, or if memory does
        not suffice for one slice.
        """
        return self.coordinates_of([batch])

    def coordinates_of(self, batches: Iterable[Pictures]) -> Coordinates:
        """The same of all slices of several batches, which are asked for as work on them begins.

        So whoever prepares slices need not wait for the embedder, nor it for a whole batch.
        """
        return self.begin(batches)()

    def begin(self, batches: Iterable[Pictures]) -> Callable[[], Coordinates]:
        """Take all slices, and return what waits for the last of them and gives their coordinates.

        Meanwhile others can be begun, so that no core waits for the end. What is returned is called
        once, from any thread; it, too, raises as `coordinates` does.
        """
        waiting = (part for batch in batches for part in self._split(self._checked(batch)))
        first = list(islice(waiting, self._least_parts))
        parts, found = chain(first, waiting), [np.zeros((0, self.coordinate_dim), np.float32)]
        lanes = self._lanes
        if lanes is None or len(first) < self._least_parts:
            found += (self._despite_memory(self._try(part)) for part in parts)
            return lambda: np.concatenate(found)
        with self._handing_out:
            rest = self._hand_out(lanes, parts, found)

        def finish() -> Coordinates:
            last = rest()
            if not any(isinstance(one, _TooLarge) for one in last):
                return np.concatenate([*found, *last])
            with self._handing_out:
                lanes.settle()
                return np.concatenate([*found, *map(self._despite_memory, last)])

        return finish

    def _hand_out(
        self, lanes: Lanes, parts: Iterator[Pictures], found: list[Coordinates]
    ) -> Callable[[], list[Coordinates | _TooLarge]]:
        """Whenever memory runs out, what is under way is settled before more is asked for.

        What was settled is `found`; what is still under way is what is returned.
        """
        short = Event()

        def attempt(part: Pictures) -> Coordinates | _TooLarge:
            found = self._try(part)
            if isinstance(found, _TooLarge):
                short.set()
            return found

        def while_memory_suffices() -> Iterator[Pictures]:
            for part in parts:
                yield part
                if short.is_set():
                    return

        while True:
            under_way = lanes.begin(attempt, while_memory_suffices())
            if not short.is_set():
                return under_way
            lanes.settle()
            found += map(self._despite_memory, under_way())
            short.clear()

    def _checked(self, batch: Pictures) -> Pictures:
        size = self.preprocess_config.size
        if batch.ndim != 3 or batch.shape[1:] != (size, size):
            raise EmbeddingError(f"a batch has the shape (N, {size}, {size}), not {batch.shape}")
        if not np.isfinite(batch).all():
            raise EmbeddingError("a prepared slice holds NaN or infinity")
        return batch

    def _split(self, batch: Pictures) -> Iterator[Pictures]:
        """Micro-batches, each as large as memory allows by the time it is asked for."""
        start = 0
        while start < len(batch):
            part = batch[start : start + self.micro_batch]
            yield part
            start += len(part)

    def _despite_memory(self, found: Coordinates | _TooLarge) -> Coordinates:
        """The coordinates of what found no memory: now alone, then in ever smaller parts."""
        if not isinstance(found, _TooLarge):
            return found
        again = self._try(found.part)
        if not isinstance(again, _TooLarge):
            return again
        if len(found.part) == 1:
            raise EmbeddingError("there is not enough memory to embed a single slice")
        # Parts from before may still be larger than what memory was found to allow.
        self.micro_batch = min(self.micro_batch, len(found.part) // 2)
        self._graphs = None
        halves = map(self._try, self._split(found.part))
        return np.concatenate([self._despite_memory(half) for half in halves])

    def _try(self, part: Pictures) -> Coordinates | _TooLarge:
        """The coordinates of one micro-batch, unless memory ran out."""
        try:
            return self._forward(part)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
        except RuntimeError as error:
            if not any(words in str(error) for words in _CPU_OUT_OF_MEMORY):
                raise
        return _TooLarge(part)

    @torch.inference_mode()
    def _forward(self, part: Pictures) -> Coordinates:
        images = torch.from_numpy(np.ascontiguousarray(part, np.float32))[:, None]
        images = images.to(self.device, self._dtype, memory_format=torch.channels_last)
        coordinates = (self._graphs or self._compute)(images)
        found: Coordinates = coordinates.cpu().numpy()
        return found

    def _compute(self, images: Tensor) -> Tensor:
        if self.device.type == "cpu":
            return self._network.coordinates(images, self._r)
        # TensorFloat-32 would move CUDA's results away from the CPU's by more than 1e-4.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            return self._network.coordinates(images, self._r)

    def _warm_up(self) -> None:
        """Let the libraries choose their kernels, and see that numbers come out."""
        size = self.preprocess_config.size
        if self.device.type == "cuda":
            self._record(size)
        blank = np.zeros((self.micro_batch, size, size), np.float32)
        found = self._try(blank)
        if not isinstance(found, _TooLarge) and not np.isfinite(found).all():
            raise CheckpointError(f"{self.name} gives no finite numbers for an empty picture")

    @torch.inference_mode()
    def _record(self, size: int) -> None:
        """Where no graph can be recorded, `execution` says so and kernels are launched singly."""
        images = torch.zeros(self.micro_batch, 1, size, size, device=self.device, dtype=self._dtype)
        graphs = Graphs(self._compute)
        try:
            graphs(images)
        except RuntimeError as error:  # out of memory, too: the first batch is then halved
            torch.cuda.empty_cache()
            self.execution = f"eager ({str(error)[:100]})"
        else:
            self._graphs, self.execution = graphs, "CUDA graph"
