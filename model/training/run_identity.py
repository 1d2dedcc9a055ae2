"""What makes a run the same run: its recipe, and what it learns from, as digests.

Of the slices it keeps digests and counts only: no UID, no patient and no pixel can be read back.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from model.dataset import Dataset
from model.training.config import TrainConfig

_NO_BOX, _UNKNOWN_BOX = -1.0, -2.0
_DECIMALS = 4  # of a share of the side: another machine's last digits make no other box


@dataclass(frozen=True)
class DataIdentity:
    """The training set: its label names, how many slices, and a digest of each thing known of them.

    Order counts, because a run draws slices by their numbers.
    """

    label_names: tuple[str, ...]
    count: int
    slices: str
    groups: str
    labels: str
    lesions: str
    planes: str

    @classmethod
    def of(cls, part: Dataset) -> Self:
        """That of a data set."""
        absent = np.where(part.lesions_known, _NO_BOX, _UNKNOWN_BOX)[:, None]
        lesions = np.where(np.isnan(part.lesions), absent, part.lesions)
        return cls(
            label_names=part.label_names,
            count=len(part),
            slices=_digest(part.sop_instance_uids),
            groups=_digest(part.group_names[number] for number in part.groups),
            labels=_digest(part.label_names[number] for number in part.labels),
            lesions=_digest(" ".join(f"{edge:.{_DECIMALS}f}" for edge in box) for box in lesions),
            planes=_digest(map(str, part.planes)),
        )

    def differences(self, earlier: "DataIdentity") -> list[str]:
        """What is not as it was, in words; empty if all is."""
        if self.label_names != earlier.label_names:
            now, then = (", ".join(names) for names in (self.label_names, earlier.label_names))
            return [f"the labels are {now}; they were {then}"]
        if self.count != earlier.count:
            return [f"there are {self.count} training slices; there were {earlier.count}"]
        if self.slices != earlier.slices:
            return ["the training slices are others, or in another order"]
        parts = {
            "groups": "patients or groups",
            "labels": "labels",
            "lesions": "lesion boxes",
            "planes": "planes",
        }
        return [
            f"the {words} of the training slices have changed"
            for name, words in parts.items()
            if getattr(self, name) != getattr(earlier, name)
        ]


@dataclass(frozen=True)
class RunIdentity:
    """A run as `resume.pt` names it: `recipe` is all of the configuration that fixes weights.

    `validation` is a digest of the slices that it watches, so that no figure of some passes for one
    of others; None watches none.
    """

    recipe: Mapping[str, Any]
    data: DataIdentity
    validation: str | None = None

    @classmethod
    def of(cls, config: TrainConfig, train_set: Dataset, validation_set: Dataset | None) -> Self:
        """That of a run which is about to begin or to go on."""
        watched = None if validation_set is None else DataIdentity.of(validation_set)
        seen = (
            None if watched is None else _digest((watched.slices, watched.groups, watched.labels))
        )
        return cls(config.recipe(), DataIdentity.of(train_set), seen)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """What `to_document` gave; KeyError or TypeError for what is none."""
        data = {**document["data"], "label_names": tuple(document["data"]["label_names"])}
        return cls(document["recipe"], DataIdentity(**data), document["validation"])

    def to_document(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    def differences(self, earlier: "RunIdentity") -> list[str]:
        """Why this run cannot go on from an earlier one, in words; empty if it can."""
        words = changed_settings(self.recipe, earlier.recipe)
        words += self.data.differences(earlier.data)
        if self.validation is not None and self.validation != earlier.validation:
            words.append("the validation slices are not those that it began with")
        return words


def changed_settings(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """What two recipes differ in, in words; empty if in nothing."""
    changed = _changed(now, then)
    return [f"another configuration ({', '.join(changed)})"] if changed else []


def _digest(words: Iterable[str]) -> str:
    """Of words in their order; a length before each keeps two from running into one."""
    whole = hashlib.sha256()
    for word in words:
        encoded = word.encode()
        whole.update(len(encoded).to_bytes(8, "big") + encoded)
    return whole.hexdigest()


def _changed(now: Mapping[str, Any], then: Mapping[str, Any], above: str = "") -> list[str]:
    """Names of values that differ, such as schedule.seed."""
    found = []
    for name in sorted(now.keys() | then.keys()):
        one, other = now.get(name), then.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += _changed(one, other, f"{above}{name}.")
        elif one != other:
            found.append(above + name)
    return found
