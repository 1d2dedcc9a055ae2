"""Where a run began, if not with random weights. It holds no weights itself."""

from dataclasses import dataclass
from typing import Self

from model.checkpoint import Checkpoint, GroupKind


@dataclass(frozen=True)
class Origin:
    """The checkpoint that a run began with, and whom that was trained on, hashed.

    `saw_none` is the user's word that it has seen nobody whom the run validates on, where its list
    cannot tell.
    """

    name: str
    trained_on: tuple[str, ...]
    group_kind: GroupKind = "patient_id"
    saw_none: bool = False

    @classmethod
    def of(cls, start: Checkpoint, saw_none: bool = False) -> Self:
        """What a run remembers of the checkpoint that it begins with."""
        return cls(start.name, start.info.trained_on, start.info.group_kind, saw_none)
