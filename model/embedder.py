"""Prepared slices -> coordinates of their embeddings, on CPU or CUDA by the same code.

It neither prepares images nor stores results. Torch's global state stays as it is, except for the
number of threads if one is asked for.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.checkpoint import Checkpoint
from model.errors import CheckpointError, EmbeddingError
from model.fold import fold_batch_norm
from model.msnet import MSNet
from model.preprocess import PreprocessConfig

_CPU_OUT_OF_MEMORY = ("not enough memory", "can't allocate memory")


class Embedder:
    """One encoder, ready to use: network, weights and what they ask of preprocessing.

    `device` is "cpu", "cuda" or "auto" (CUDA where there is any). `micro_batch` is how many slices
    go through the network at once (few fit a CPU's cache best); when memory runs out it is halved,
    for good. `threads`, if
    given, sets torch's number of CPU threads for the whole process. Raises CheckpointError if the
    weights do not fit the network, EmbeddingError if the device is not there.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "cpu",
        *,
        micro_batch: int = 8,
        threads: int | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = _device(device)
        self.micro_batch = micro_batch
        self.name = checkpoint.name
        self.digest = checkpoint.digest
        self.preprocess_config: PreprocessConfig = checkpoint.info.preprocess
        network = build_network(checkpoint)
        q, r = network.basis()
        self.basis: NDArray[np.float32] = q.float().numpy()
        self._r = r.float().to(self.device)
        self._network = fold_batch_norm(network).place(self.device)

    @property
    def coordinate_dim(self) -> int:
        """D, the length of a coordinate vector."""
        return int(self.basis.shape[1])

    def coordinates(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Coordinates of prepared slices, (N, S, S) -> (N, D) of unit length; N may be 0.

        `basis @ coordinates` is the 4,096-d embedding, and Euclidean distances are the same in
        both. The split into micro-batches does not show in the result (to 1e-5 on one device).
        Raises EmbeddingError for another shape, for a number that is not finite, or if memory does
        not suffice for one slice.
        """
        size = self.preprocess_config.size
        if batch.ndim != 3 or batch.shape[1:] != (size, size):
            raise EmbeddingError(f"a batch has the shape (N, {size}, {size}), not {batch.shape}")
        if not np.isfinite(batch).all():
            raise EmbeddingError("a prepared slice holds NaN or infinity")
        result = np.zeros((len(batch), self.coordinate_dim), np.float32)
        start = 0
        while start < len(batch):
            part = batch[start : start + self.micro_batch]
            done = self._try(part)
            if done is not None:
                result[start : start + len(part)] = done
                start += len(part)
            elif self.micro_batch == 1:
                raise EmbeddingError("there is not enough memory to embed a single slice")
            else:
                self.micro_batch = max(1, len(part) // 2)
        return result

    def _try(self, part: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """The coordinates of one micro-batch, or None if memory ran out."""
        try:
            return self._forward(part)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
        except RuntimeError as error:
            if not any(words in str(error) for words in _CPU_OUT_OF_MEMORY):
                raise
        return None

    @torch.inference_mode()
    def _forward(self, part: NDArray[np.float32]) -> NDArray[np.float32]:
        images = torch.from_numpy(np.ascontiguousarray(part, np.float32))[:, None]
        images = images.to(self.device, memory_format=torch.channels_last)
        # TensorFloat-32 would move CUDA's results away from the CPU's by more than 1e-4.
        with torch.backends.cudnn.flags(allow_tf32=False):
            coordinates: Tensor = self._network.coordinates(images, self._r)
        found: NDArray[np.float32] = coordinates.cpu().numpy()
        return found


def build_network(checkpoint: Checkpoint) -> MSNet:
    """The network of a checkpoint, on the CPU, in evaluation mode.

    Raises CheckpointError if weights are missing, too many or of another shape.
    """
    network = MSNet(checkpoint.info.network)
    tensors = {name: torch.from_numpy(np.array(w)) for name, w in checkpoint.weights.items()}
    counters = {n: t for n, t in network.state_dict().items() if n.endswith("num_batches_tracked")}
    try:
        network.load_state_dict(tensors | counters)
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint.name} does not fit its network: {error}") from error
    return network.eval()


def _device(name: str) -> torch.device:
    if name not in ("cpu", "cuda", "auto"):
        raise EmbeddingError(f"unknown device {name!r}: cpu, cuda or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise EmbeddingError("there is no CUDA device that torch can use")
    return torch.device(name)
