"""What a search found, and how."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

Method = Literal["hnsw", "exact", "hash"]


@dataclass(frozen=True)
class Neighbour:
    """A slice found; `distance` is Euclidean, between 4,096-d unit vectors (0 to 2).

    The last four are the database's own keys, for what goes on from here and never for an answer.
    """

    rank: int
    sop_instance_uid: str
    frame: int
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    distance: float
    labels: list[str]
    instance_id: int = field(repr=False)
    patient_key: UUID = field(repr=False)
    series_id: int = field(repr=False)
    study_id: int = field(repr=False)

    @property
    def position(self) -> "Position":
        """Where an answer that ends with this neighbour is to be continued."""
        return Position(self.rank, self.distance, self.sop_instance_uid, self.frame)


@dataclass(frozen=True)
class Position:
    """A place in a ranking, kept by what stands there and not by counting.

    Rows that arrive before it move nothing that follows.
    """

    rank: int
    distance: float
    sop_instance_uid: str
    frame: int

    @property
    def key(self) -> tuple[float, str, int]:
        """What rankings are sorted by."""
        return self.distance, self.sop_instance_uid, self.frame


@dataclass(frozen=True)
class Step:
    """One way that was gone: rows it looked at, and how long it took."""

    name: str
    rows_scanned: int | None
    ms: float


@dataclass(frozen=True)
class ScanReport:
    """How an answer came about; `rows_passing` are those that the filters leave."""

    rows: int
    rows_passing: int
    rows_scanned: int
    reason: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Found:
    """The neighbours, nearest first, and how they were found.

    `complete` says that no row is missing for want of looking: there are k neighbours, or all that
    the filters leave.
    """

    neighbours: list[Neighbour]
    method: Method
    complete: bool
    explanation: ScanReport | None = None
