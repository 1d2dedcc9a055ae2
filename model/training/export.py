"""Writes the averaged network of a run as a checkpoint, without the heads."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import checkpoint
from model.dataset import Dataset
from model.hashing import HASH_BIAS, HASH_WEIGHT
from model.msnet import MSNet
from model.training.embedding import embed
from model.training.hash import HashLayer, fit_hash, layer_of
from model.training.leaks import groups_of
from model.training.network import EmbeddingNetwork
from model.training.state import TrainingState
from model.turning import TURN, WIDE, leading_directions, turn_of

_Seen = tuple[tuple[str, ...], checkpoint.GroupKind]
_SAMPLE = 500
_NOBODY: _Seen = ((), "patient_id")


def export(
    state: TrainingState, train_set: Dataset, out_dir: Path, *, forget_patients: bool = False
) -> Path:
    """The checkpoint's path.

    It lists the groups it was trained on, hashed, and those of the checkpoint it began with; to
    `forget_patients` leaves the list empty, as a checkpoint should be that is passed on.
    """
    training: dict[str, Any] = state.config.identity()
    if state.origin is not None:
        training["started_from"] = state.origin.name
    trained_on, kind = _NOBODY if forget_patients else _seen(state, train_set)
    info = checkpoint.CheckpointInfo(
        network=state.config.network,
        preprocess=train_set.preprocess,
        label_names=train_set.label_names,
        data_statement=state.config.data_statement,
        metrics=_metrics(state),
        training=training,
        trained_on=trained_on,
        group_kind=kind,
    )
    return checkpoint.save(out_dir, _weights(state, train_set), info)


def _seen(state: TrainingState, train_set: Dataset) -> _Seen:
    """The hashed groups of the run and of its beginning.

    Where one lists keys and the other IDs, the list is of keys: it proves nothing about IDs. If the
    beginning lists nobody, neither can this.
    """
    if state.origin is not None and not state.origin.trained_on:
        return _NOBODY
    groups = {checkpoint.hash_group(name) for name in groups_of(train_set)}
    kinds = {train_set.named_by}
    if state.origin is not None:
        groups |= set(state.origin.trained_on)
        kinds.add(state.origin.group_kind)
    return tuple(sorted(groups)), "patient_key" if "patient_key" in kinds else "patient_id"


def _metrics(state: TrainingState) -> dict[str, float]:
    last = state.history[-1]
    metrics = {"epochs": float(last.epoch), "train_loss": last.loss}
    if last.validation_map is not None and last.validation_precision_at_10 is not None:
        metrics["validation_macro_map"] = last.validation_map
        metrics["validation_macro_p10"] = last.validation_precision_at_10
    return metrics


def _weights(state: TrainingState, train_set: Dataset) -> dict[str, NDArray[np.float32]]:
    """Those of the network and, if asked for, of the hash layer beside it.

    With more coordinates than an index takes, the directions of those that it holds, too.
    """
    network = state.averaged()
    weights: dict[str, NDArray[np.float32]] = {
        name: tensor.cpu().numpy()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    if isinstance(network, MSNet) and network.config.coordinate_dim > WIDE:
        some = train_set.images[:: -(-len(train_set) // _SAMPLE)]
        coordinates = embed(network, some, state.device) @ network.basis()[0].cpu().numpy()
        weights[TURN] = leading_directions(coordinates)
    if state.config.hash.bits:
        layer = _hash_layer(state, network, train_set, weights.get(TURN))
        weights |= {HASH_WEIGHT: layer.weight, HASH_BIAS: layer.bias}
    return weights


def _hash_layer(
    state: TrainingState,
    network: EmbeddingNetwork,
    train_set: Dataset,
    directions: NDArray[np.float32] | None,
) -> HashLayer:
    if not isinstance(network, MSNet):
        raise TypeError("only MSNet has coordinates")
    basis = network.basis()[0].cpu().numpy()
    if directions is not None:
        basis = basis @ turn_of(directions)
    embeddings = embed(network, train_set.images, state.device)
    coordinates = (embeddings @ basis).astype(np.float32)
    head = layer_of(state.average[_PLANES].cpu().numpy(), basis, coordinates)
    seed = state.config.schedule.seed
    return fit_hash(coordinates, train_set.labels, state.config.hash, seed, head)


_PLANES = "heads.hash.planes.weight"
