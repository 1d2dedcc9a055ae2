"""What is searched near: a slice of the gallery, or coordinates that came from elsewhere."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.db.prepared import run_prepared
from service.dropped import why_absent
from service.encoders.registry import ActiveEncoder, get_active
from service.errors import InstancePending, InvalidParameter, NotSearchable


@dataclass(frozen=True)
class EmbeddedSlice:
    """A slice that has an embedding, by the database's own keys."""

    instance_id: int
    frame: int
    patient_key: UUID
    series_id: int
    study_id: int


@dataclass(frozen=True, eq=False)
class Target:
    """What is searched near: exactly one of `slice` and `coordinates` (float32 (D,)).

    The coordinates of a `slice` are read inside SQL, and it is left out of its own neighbours.
    `patient_key` and `patient_keys` are left out unless the search takes the same patient;
    `without` are pairs of instance_id and frame that are left out in any case. `own` is the slice
    whose `coordinates` these are, where there is one; it is not left out.
    """

    slice: EmbeddedSlice | None = None
    coordinates: NDArray[np.float32] | None = None
    patient_key: UUID | None = None
    without: tuple[tuple[int, int], ...] = ()
    patient_keys: tuple[UUID, ...] = ()
    own: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if (self.slice is None) == (self.coordinates is None):
            raise ValueError("a target is a slice or coordinates")

    @property
    def itself(self) -> tuple[int, int] | None:
        """The slice that lies just there, by instance_id and frame, if there is one."""
        return self.own if self.slice is None else (self.slice.instance_id, self.slice.frame)

    @classmethod
    def of(cls, embedded: EmbeddedSlice) -> "Target":
        """A slice of the gallery, whose patient is left out."""
        return cls(slice=embedded, patient_key=embedded.patient_key)


_FIND = """
    SELECT i.instance_id, i.state, i.reason, i.frames, i.patient_key, i.series_id, s.study_id,
           n.encoder_id, n.digest, n.name, n.dimension,
           EXISTS (SELECT FROM embedding e WHERE e.encoder_id = n.encoder_id
                   AND e.instance_id = i.instance_id AND e.frame = :frame) AS is_embedded
    FROM instance i JOIN series s USING (series_id)
         LEFT JOIN (SELECT * FROM encoder WHERE state = 'active') n ON true
    WHERE i.sop_instance_uid = :sop_instance_uid
"""


def find_slice(
    connection: Connection, sop_instance_uid: str, frame: int
) -> tuple[ActiveEncoder, EmbeddedSlice]:
    """The active encoder, and the slice as it embedded it; one question to the database.

    Raises:
        InstanceUnknown, InstancePending, NotSearchable, InvalidParameter: it has no embedding.
        Unavailable: no encoder is active.
    """
    named = {"sop_instance_uid": sop_instance_uid, "frame": frame}
    found = run_prepared(connection, _FIND, named).one_or_none()
    if found is None:
        raise why_absent(connection, sop_instance_uid)
    if found.state == "pending":
        raise InstancePending(f"{sop_instance_uid} has arrived but is not embedded yet.")
    if found.state != "embedded":
        raise NotSearchable(f"{sop_instance_uid} is {found.state}: {found.reason}")
    if found.encoder_id is None:
        get_active(connection)
    if not found.is_embedded:
        raise InvalidParameter(
            f"{sop_instance_uid} has no frame {frame}; its frames are 1 to {found.frames}."
        )
    encoder = ActiveEncoder(found.encoder_id, found.digest, found.name, found.dimension)
    place = (found.patient_key, found.series_id, found.study_id)
    return encoder, EmbeddedSlice(found.instance_id, frame, *place)
