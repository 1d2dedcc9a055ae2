"""What the gallery knows of instances that a peer has.

`rejected` and `deleted` are not here on purpose: nobody asks for them again. Nor for what a rule
of admission dropped, which is `unsupported`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from sqlalchemy import Connection, func, select

from service.db.node_tables import dropped_object, tombstone
from service.db.tables import instance, series, study

State = Literal["searchable", "pending", "failed", "unsupported", "rejected", "deleted", "missing"]
STATES: tuple[State, ...] = (
    *("searchable", "pending", "failed", "unsupported"),
    *("rejected", "deleted", "missing"),
)
_OF_ROWS: dict[str, State] = {
    "embedded": "searchable",
    "pending": "pending",
    "failed": "failed",
    "unsupported": "unsupported",
}
_BATCH = 5000


def states_of(connection: Connection, sop_instance_uids: Sequence[str]) -> dict[str, State]:
    """The state of each instance; what the gallery knows nothing of is `missing`."""
    found: dict[str, State] = dict.fromkeys(sop_instance_uids, "missing")
    for batch in _batches(sop_instance_uids):
        rows = connection.execute(
            select(instance.c.sop_instance_uid, instance.c.state).where(
                instance.c.sop_instance_uid.in_(batch)
            )
        )
        found.update(_dropped(connection, batch))
        found.update((uid, _OF_ROWS[state]) for uid, state in rows)
        found.update(_buried(connection, batch, found))
    return found


def _dropped(connection: Connection, uids: list[str]) -> Iterator[tuple[str, State]]:
    named = dropped_object.c.sop_instance_uid.in_(uids)
    for uid in connection.scalars(select(dropped_object.c.sop_instance_uid).where(named)):
        yield uid, "unsupported"


def _buried(
    connection: Connection, uids: list[str], found: dict[str, State]
) -> Iterator[tuple[str, State]]:
    """Of those not searchable, the ones that were deleted or rejected."""
    causes = connection.execute(
        select(tombstone.c.sop_instance_uid, tombstone.c.cause)
        .where(tombstone.c.sop_instance_uid.in_(uids))
        .order_by(tombstone.c.tombstone_id)
    )
    for uid, cause in causes:
        if found[uid] in ("missing", "unsupported", "deleted", "rejected"):
            yield uid, "deleted" if cause == "command" else "rejected"


def states_in_series(
    connection: Connection, study_instance_uid: str, series_instance_uid: str
) -> dict[State, int]:
    """How many instances of a series are in which state, for a peer that names no instances."""
    rows = connection.execute(
        select(instance.c.state, func.count())
        .select_from(instance.join(series).join(study))
        .where(
            study.c.study_instance_uid == study_instance_uid,
            series.c.series_instance_uid == series_instance_uid,
        )
        .group_by(instance.c.state)
    )
    found = {_OF_ROWS[state]: count for state, count in rows}
    dropped = connection.scalar(
        select(func.count()).where(
            dropped_object.c.study_instance_uid == study_instance_uid,
            dropped_object.c.series_instance_uid == series_instance_uid,
        )
    )
    if dropped:
        found["unsupported"] = found.get("unsupported", 0) + dropped
    return found


def _batches(uids: Iterable[str]) -> Iterator[list[str]]:
    every = list(uids)
    for start in range(0, len(every), _BATCH):
        yield every[start : start + _BATCH]
