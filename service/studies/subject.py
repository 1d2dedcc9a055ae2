"""What is asked about: a study of the gallery, or one of its series, with its embedded slices."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from service.encoders.registry import ActiveEncoder, get_active
from service.errors import NotSearchable, SeriesUnknown, StudyPending, StudyUnknown
from service.studies.rows import Rows, coordinates_of, read_rows

MAXIMUM_SLICES = 1000
"""So many of a study's slices are compared; of more, these are taken evenly."""

_COUNT = text("""
    SELECT count(*) AS instances, count(*) FILTER (WHERE i.state = 'pending') AS pending
    FROM instance i JOIN series s USING (series_id)
    WHERE s.study_id = :study_id AND (CAST(:series_id AS bigint) IS NULL
                                      OR s.series_id = :series_id)
""")


@dataclass(frozen=True, eq=False)
class Subject:
    """The slices compared, in the order of their series and Instance Number; `rows` tell which.

    `embedded` counts all frames that have an embedding, `pending` the instances that wait for one.
    """

    rows: Rows
    coordinates: NDArray[np.float32]
    patient_keys: tuple[UUID, ...]
    embedded: int
    pending: int

    def patient_key(self, place: int) -> UUID:
        """Whose slice it is."""
        return UUID(bytes=bytes(self.rows["patient_key"][place]))

    def own(self, place: int) -> tuple[int, int]:
        """Which slice it is, by instance_id and frame."""
        return int(self.rows["instance_id"][place]), int(self.rows["frame"][place])


def find_subject(
    connection: Connection, study_instance_uid: str, series_instance_uid: str | None
) -> tuple[ActiveEncoder, Subject]:
    """The active encoder and a study, or one of its series, as it embedded them.

    Raises:
        StudyUnknown, SeriesUnknown: the gallery does not hold it.
        StudyPending: nothing of it is embedded yet.
        NotSearchable: nothing of it can be embedded.
        Unavailable: no encoder is active.
    """
    study_id, series_id = _find_keys(connection, study_instance_uid, series_instance_uid)
    encoder = get_active(connection)
    rows = read_rows(
        connection,
        encoder,
        "e.study_id = :study_id AND e.series_id = ANY (ARRAY(SELECT series_id FROM series"
        " WHERE study_id = :study_id)) AND (CAST(:series_id AS bigint) IS NULL"
        " OR e.series_id = :series_id)",
        {"study_id": study_id, "series_id": series_id},
        "ORDER BY e.series_id, i.instance_number, e.instance_id, e.frame",
    )
    count = connection.execute(_COUNT, {"study_id": study_id, "series_id": series_id}).one()
    if len(rows) == 0:
        what = "series" if series_instance_uid else "study"
        if count.pending:
            raise StudyPending(f"Nothing of that {what} is embedded yet: {count.pending} wait.")
        raise NotSearchable(f"None of that {what}'s {count.instances} instances can be embedded.")
    patient_keys = tuple({UUID(bytes=bytes(key)) for key in rows["patient_key"]})
    chosen = rows[_evenly(len(rows), MAXIMUM_SLICES)]
    return encoder, Subject(
        chosen, coordinates_of(chosen), patient_keys, len(rows), int(count.pending)
    )


def _find_keys(
    connection: Connection, study_instance_uid: str, series_instance_uid: str | None
) -> tuple[int, int | None]:
    uids = {"study": study_instance_uid, "series": series_instance_uid}
    found = connection.execute(
        text("""
            SELECT t.study_id, s.series_id FROM study t LEFT JOIN series s
                ON s.study_id = t.study_id AND s.series_instance_uid = :series
            WHERE t.study_instance_uid = :study
        """),
        uids,
    ).one_or_none()
    if found is None:
        raise StudyUnknown(f"The gallery holds no study {study_instance_uid}.")
    if series_instance_uid is not None and found.series_id is None:
        raise SeriesUnknown(
            f"The gallery holds no series {series_instance_uid} of study {study_instance_uid}."
        )
    return found.study_id, found.series_id


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    """Places of at most `most` of `count`, evenly through them."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(np.int64)
