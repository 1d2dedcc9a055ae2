"""What a verification looked at and found."""

from dataclasses import dataclass, field

from service.encoders.reach import Reach
from service.verifying.faults import Fault
from service.verifying.recall import Recall


@dataclass(frozen=True)
class Looked:
    """How much was looked at; `contents` files were read whole, `recomputed` slices embedded anew.

    `files` are by what names them: instance, conflict, deleted and kept for a while, quarantined,
    unfinished, or being stored at that moment.
    """

    instances: int = 0
    slices: int = 0
    files: dict[str, int] = field(default_factory=dict)
    contents: int = 0
    recomputed: int = 0


@dataclass(frozen=True)
class Verification:
    """All of it; `repaired` counts what was mended, by the kind of fault. `notes` are no faults."""

    encoder: str | None
    looked: Looked
    recall: Recall | None
    faults: list[Fault]
    notes: list[str] = field(default_factory=list)
    repaired: dict[str, int] = field(default_factory=dict)
    reach: Reach | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults
