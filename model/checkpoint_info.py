"""What a checkpoint says about itself, and the JSON in which it says it.

Only facts: it reads no files and holds no weights. Files of older versions lack fields and get
their defaults; a field that nobody here knows is refused, since ignoring it could change a picture.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar, get_args

from model.errors import CheckpointError
from model.network_config import MSNetConfig
from model.preprocess import PREPROCESSING_VERSION, PreprocessConfig

GroupKind = Literal["patient_id", "patient_key"]

_GROUP_PREFIX = b"precuneus group\x00"
_GROUP_DIGITS = 16
_Facts = TypeVar("_Facts")


def hash_group(group: str) -> str:
    """How a checkpoint names a patient that it was trained on: 16 hex digits of SHA-256.

    `group` is the patient's ID in a list of slices, or the patient's key in a gallery.

    It lets an evaluation refuse queries that the encoder has seen. It keeps no secret: who guesses
    a patient ID can check the guess, and short IDs can all be tried.
    """
    return hashlib.sha256(_GROUP_PREFIX + group.encode()).hexdigest()[:_GROUP_DIGITS]


@dataclass(frozen=True)
class CheckpointInfo:
    """Facts beside the weights; `label_names` are those of its training.

    `trained_on` lists the patients (groups, where the patient is unknown) that it has seen, as
    `hash_group` names them; empty, they are not known. `group_kind` tells what was hashed:
    "patient_key" if some of them are keys of a gallery, which no list of slices has.
    """

    network: MSNetConfig
    preprocess: PreprocessConfig
    label_names: tuple[str, ...]
    data_statement: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    trained_on: tuple[str, ...] = ()
    group_kind: GroupKind = "patient_id"


def to_document(info: CheckpointInfo) -> dict[str, Any]:
    """All of it as JSON types."""
    return asdict(info)


def from_document(document: Mapping[str, Any]) -> CheckpointInfo:
    """The facts in a parsed JSON document.

    Raises CheckpointError for another preprocessing than the one installed and for a field that
    only a newer version knows; KeyError, TypeError or ValueError for what is no such document.
    """
    version = document["preprocess"]["version"]
    if version != PREPROCESSING_VERSION:
        raise CheckpointError(
            f"needs preprocessing {version}, installed is {PREPROCESSING_VERSION}"
        )
    kept = {**document, "label_names": tuple(document["label_names"])}
    kept["network"] = _facts(MSNetConfig, document["network"])
    kept["preprocess"] = _facts(PreprocessConfig, document["preprocess"])
    kept["trained_on"] = tuple(document.get("trained_on", ()))
    if (kind := document.get("group_kind", "patient_id")) not in get_args(GroupKind):
        raise CheckpointError(f"was made by a newer version: unknown group_kind {kind}")
    return _known(CheckpointInfo, kept)


def _facts(kind: type[_Facts], values: Mapping[str, Any]) -> _Facts:
    """JSON has lists where the dataclasses have tuples."""
    return _known(kind, {name: _tupled(value) for name, value in values.items()})


def _known(kind: type[_Facts], values: Mapping[str, Any]) -> _Facts:
    unknown = sorted(set(values) - {f.name for f in fields(kind)})  # type: ignore[arg-type]
    if unknown:
        raise CheckpointError(f"was made by a newer version: unknown {', '.join(unknown)}")
    return kind(**values)


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value
