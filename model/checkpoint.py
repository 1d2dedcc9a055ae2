"""Weights with all that is needed to use them, in one safetensors file named by its content.

Free of torch, so that programs which only ask "which encoder is this?" stay light. It stores and
reads; building the network from it is the embedder's work.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from model.errors import CheckpointError, CheckpointMissingError, CheckpointTamperedError
from model.network_config import MSNetConfig
from model.preprocess import PREPROCESSING_VERSION, PreprocessConfig

_METADATA_KEY = "precuneus"  # one key, because the order of several would change the hash
_FORMAT = "msnet-1"
_NAME = re.compile(r"msnet-([0-9a-f]{12})\.safetensors")


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself; `label_names` are those of its training."""

    network: MSNetConfig
    preprocess: PreprocessConfig
    label_names: tuple[str, ...]
    data_statement: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory: `digest` is the SHA-256 of the file, `weights` are float32."""

    name: str
    digest: str
    info: CheckpointInfo
    weights: Mapping[str, NDArray[np.float32]]


def save(folder: Path, weights: Mapping[str, NDArray[np.float32]], info: CheckpointInfo) -> Path:
    """Write `msnet-<first 12 hex of SHA-256>.safetensors` into a folder, whole or not at all."""
    document = json.dumps({"format": _FORMAT, **asdict(info)}, sort_keys=True)
    tensors = {name: np.ascontiguousarray(w, np.float32) for name, w in sorted(weights.items())}
    content = save_tensors(tensors, metadata={_METADATA_KEY: document})
    path = folder / f"msnet-{hashlib.sha256(content).hexdigest()[:12]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return path


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and verify it.

    Raises CheckpointMissingError, CheckpointTamperedError if the content does not match the name,
    CheckpointError if the file is none of ours or its preprocessing is not the one installed.
    """
    content, digest = _verified(path)
    try:
        weights = load_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} is no safetensors file: {error}") from error
    return Checkpoint(path.stem, digest, _info(content, path.name), weights)


def annotate(path: Path, metrics: Mapping[str, float]) -> Path:
    """Write a copy with more figures beside a checkpoint; other content, so another name.

    The first stays. Raises as `load` does.
    """
    loaded = load(path)
    info = replace(loaded.info, metrics={**loaded.info.metrics, **metrics})
    return save(path.parent, loaded.weights, info)


def describe(path: Path) -> tuple[str, CheckpointInfo]:
    """(SHA-256, facts) of a checkpoint without its weights. Raises as `load` does."""
    content, digest = _verified(path)
    return digest, _info(content, path.name)


def default_checkpoint() -> Path:
    """The checkpoint that ships with the package. Raises CheckpointMissingError unless one does."""
    folder = Path(str(resources.files("model"))) / "weights"
    found = sorted(folder.glob("msnet-*.safetensors"))
    if len(found) != 1:
        raise CheckpointMissingError(f"{len(found)} checkpoints in {folder}, one is expected")
    return found[0]


def _verified(path: Path) -> tuple[bytes, str]:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise CheckpointError(f"{path.name} is not named msnet-<12 hex digits>.safetensors")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointMissingError(f"cannot read {path}: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest[:12] != match[1]:
        raise CheckpointTamperedError(
            f"{path.name} holds other content (SHA-256 {digest[:12]}...): damaged or exchanged"
        )
    return content, digest


def _info(content: bytes, name: str) -> CheckpointInfo:
    """The facts in the header: its length as 8 little-endian bytes, then JSON."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        document = json.loads(header["__metadata__"][_METADATA_KEY])
        if document.pop("format") != _FORMAT:
            raise CheckpointError(f"{name} has a format that this version does not know")
        info = _parse(document)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{name} lacks the facts of a checkpoint: {error}") from error
    if info.preprocess.version != PREPROCESSING_VERSION:
        raise CheckpointError(
            f"{name} needs preprocessing {info.preprocess.version}, "
            f"installed is {PREPROCESSING_VERSION}"
        )
    return info


def _parse(document: dict[str, Any]) -> CheckpointInfo:
    """JSON has lists where the dataclasses have tuples."""
    network, preprocess = document.pop("network"), document.pop("preprocess")
    network |= {key: tuple(network[key]) for key in ("widths", "depths")}
    preprocess["ct_window_hu"] = tuple(preprocess["ct_window_hu"])
    return CheckpointInfo(
        network=MSNetConfig(**network),
        preprocess=PreprocessConfig(**preprocess),
        label_names=tuple(document.pop("label_names")),
        **document,
    )
