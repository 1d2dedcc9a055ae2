"""Weights with all that is needed to use them, in one safetensors file named by its content.

Free of torch, so that programs which only ask "which encoder is this?" stay light. It stores and
reads; building the network from it is the embedder's work.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from model.checkpoint_info import (
    CheckpointInfo,
    GroupKind,
    from_document,
    hash_group,
    to_document,
)
from model.errors import CheckpointError, CheckpointMissingError, CheckpointTamperedError

__all__ = [
    "Checkpoint",
    "CheckpointInfo",
    "GroupKind",
    "ShippedName",
    "checkpoint_named",
    "default_checkpoint",
    "describe",
    "hash_group",
    "load",
    "round_weights",
    "save",
]

ShippedName = Literal["default", "dev"]
Precision = Literal["float32", "float16"]

_METADATA_KEY = "precuneus"  # one key, because the order of several would change the hash
_FORMAT = "msnet-1"
_NAME = re.compile(r"msnet-([0-9a-f]{12})\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory: `digest` is the SHA-256 of the file, `weights` are float32."""

    name: str
    digest: str
    info: CheckpointInfo
    weights: Mapping[str, NDArray[np.float32]]


def save(
    folder: Path,
    weights: Mapping[str, NDArray[np.floating]],
    info: CheckpointInfo,
    *,
    dtype: Precision = "float32",
) -> Path:
    """Write `msnet-<first 12 hex of SHA-256>.safetensors` into a folder, whole or not at all.

    With "float16" the file is half as large; what rounding costs, `half_precision_error` tells.
    Raises CheckpointError if a weight is NaN or infinite, or too large to be rounded.
    """
    document = json.dumps({"format": _FORMAT, **to_document(info)}, sort_keys=True)
    tensors = round_weights(weights, dtype)
    _require_finite(tensors, "these weights")
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


def round_weights(
    weights: Mapping[str, NDArray[np.floating]], dtype: Precision
) -> dict[str, NDArray[np.floating]]:
    """The weights as `save` writes them, by name.

    Filters and matrices take the precision asked for. Vectors and single numbers stay float32: they
    are few, and the variances among them reach below what float16 can tell apart.
    """
    with np.errstate(over="ignore"):  # infinity is found, and named, by whoever saves
        return {
            name: np.asarray(weight, dtype if weight.ndim > 1 else "float32", order="C")
            for name, weight in sorted(weights.items())
        }


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and verify it.

    Raises CheckpointMissingError, CheckpointTamperedError if the content does not match the name,
    CheckpointError if the file is none of ours, was made by a newer version, holds weights that
    are not finite, or needs another preprocessing than the one installed.
    """
    content, digest = _verified(path)
    info = _info(content, path.name)
    try:
        tensors = load_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} is no safetensors file: {error}") from error
    _require_finite(tensors, path.name)
    weights = {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
    return Checkpoint(path.stem, digest, info, weights)


def describe(path: Path) -> tuple[str, CheckpointInfo]:
    """(SHA-256, facts) of a checkpoint without its weights. Raises as `load` does."""
    content, digest = _verified(path)
    return digest, _info(content, path.name)


def checkpoint_named(name: ShippedName) -> Path:
    """A checkpoint that ships with the package.

    "default" was trained on all that the figures allow; "dev" leaves one more fold out, so that
    choices can be judged on it. Raises CheckpointMissingError unless exactly one is there.
    """
    folder = Path(str(resources.files("model"))) / "weights" / name
    found = sorted(folder.glob("msnet-*.safetensors"))
    if len(found) != 1:
        raise CheckpointMissingError(
            f"the {name} encoder should be the one checkpoint in {folder}, "
            f"where there are {len(found) or 'none'}"
        )
    return found[0]


def default_checkpoint() -> Path:
    """The encoder for a new gallery. Raises CheckpointMissingError as `checkpoint_named` does."""
    return checkpoint_named("default")


def _require_finite(tensors: Mapping[str, NDArray[np.floating]], owner: str) -> None:
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{owner}: {name} holds NaN or infinity")


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
            raise CheckpointError("has a format that this version does not know")
        return from_document(document)
    except CheckpointError as error:
        raise CheckpointError(f"{name} {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{name} lacks the facts of a checkpoint: {error}") from error
