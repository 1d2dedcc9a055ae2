"""From a checkpoint to a network, with proof that its coordinates lose nothing."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.checkpoint import Checkpoint
from model.errors import CheckpointError
from model.msnet import MSNet
from model.turning import TURN, turn_of

_TOLERANCE = 1e-5
_PROBES = 8
# What may lie beside the network; `model.hashing` and `model.turning` use it.
_BESIDE = ("hash.", "turn.")


def build_network(checkpoint: Checkpoint) -> MSNet:
    """The network of a checkpoint, on the CPU, in evaluation mode.

    Raises CheckpointError if weights are missing, too many or of another shape.
    """
    try:
        network = MSNet(checkpoint.info.network)
        counters = {
            name: tensor
            for name, tensor in network.state_dict().items()
            if name.endswith("num_batches_tracked")
        }
        tensors = {
            name: torch.from_numpy(np.array(weight))
            for name, weight in checkpoint.weights.items()
            if not name.startswith(_BESIDE)
        }
        network.load_state_dict(tensors | counters)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"{checkpoint.name} does not fit its network: {error}") from error
    return network.eval()


def basis_of(network: MSNet, checkpoint: Checkpoint) -> tuple[Tensor, Tensor]:
    """`lossless_basis` of a checkpoint's network, turned if the checkpoint says how."""
    return lossless_basis(network, checkpoint.name, checkpoint.weights.get(TURN))


def lossless_basis(
    network: MSNet, name: str, directions: NDArray[np.float32] | None = None
) -> tuple[Tensor, Tensor]:
    """Q (4096, D) and R (D, D) in float32, proven to stand for the last layer.

    `directions` (D, K) become the leading coordinates (`model.turning`).

    Q's columns must be orthonormal, and Q R [f; 1] must be W f + b for random features f, both to
    1e-5: only then are distances between coordinates distances between embeddings. Raises
    CheckpointError otherwise; `name` is the checkpoint's.
    """
    exact_q, exact_r = network.basis()
    if directions is not None:
        turn = _turn(directions, len(exact_r), name)
        exact_q, exact_r = exact_q @ turn, turn @ exact_r
    q, r = exact_q.float(), exact_r.float()
    gram = q.double().T @ q.double()
    if not torch.allclose(gram, torch.eye(len(gram)).double(), rtol=0, atol=_TOLERANCE):
        raise CheckpointError(f"{name}: the basis of its coordinates is not orthonormal")
    if not _stands_for(network, q, r):
        raise CheckpointError(f"{name}: its coordinates do not give back its embeddings")
    return q, r


def _turn(directions: NDArray[np.float32], dimension: int, name: str) -> Tensor:
    shape = directions.shape
    if len(shape) != 2 or shape[0] != dimension or not 0 < shape[1] <= dimension:
        raise CheckpointError(f"{name}: its directions are {shape}, of {dimension} coordinates")
    try:
        return torch.from_numpy(turn_of(directions))
    except np.linalg.LinAlgError:
        raise CheckpointError(f"{name}: its directions turn nothing") from None


@torch.no_grad()
def _stands_for(network: MSNet, q: Tensor, r: Tensor) -> bool:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(
        _PROBES, network.config.feature_dim, generator=generator, dtype=torch.float64
    )
    layer = network.embedding
    expected = features @ layer.weight.double().T + layer.bias.double()
    extended = torch.nn.functional.pad(features, (0, 1), value=1.0)
    found = extended @ r.double().T @ q.double().T
    error = torch.linalg.norm(found - expected, dim=1)
    # Written so that NaN fails.
    return bool((error <= _TOLERANCE * torch.linalg.norm(expected, dim=1)).all())
