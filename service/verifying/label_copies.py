"""Compares the labels that slices are found under with what the gallery's labels say of them.

What an instance's labels are is `service.labels`'s to say; here they are only compared, so many
instances at a time.
"""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text

from service.encoders.registry import ActiveEncoder
from service.labels.copies import hold_labels, labels_of_instances
from service.verifying import faults
from service.verifying.faults import Fault

_AT_ONCE = 5000


def find_label_faults(
    engine: Engine, encoder: ActiveEncoder, advance: Callable[[int], object] = lambda _: None
) -> list[Fault]:
    """The one fault, if any slice has other labels than its instance and study.

    Raises:
        SQLAlchemyError: the database failed.
    """
    wrong = _wrong_instances(engine, encoder, advance)
    if not wrong:
        return []
    with engine.connect() as connection:
        examples = _uids(connection, wrong[: faults.MOST_EXAMPLES])
    return [Fault.of(faults.LABELS_WRONG, len(wrong), examples)]


def repair_labels(engine: Engine, encoder: ActiveEncoder) -> int:
    """Copy the labels anew where they are wrong; of how many instances.

    Raises:
        SQLAlchemyError: the database failed.
    """
    wrong = _wrong_instances(engine, encoder, lambda _: None)
    for start in range(0, len(wrong), _AT_ONCE):
        ids = wrong[start : start + _AT_ONCE]
        with engine.begin() as connection:
            hold_labels(connection)
            right = labels_of_instances(connection, ids)
            connection.execute(
                text(f"UPDATE {encoder.partition} SET labels = :labels WHERE instance_id = :id"),
                [{"id": one, "labels": list(right.get(one, ()))} for one in ids],
            )
    return len(wrong)


def _wrong_instances(
    engine: Engine, encoder: ActiveEncoder, advance: Callable[[int], object]
) -> list[int]:
    after, wrong = 0, list[int]()
    # Copies and labels must be of one moment.
    with engine.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
        while copies := _copies(connection, encoder, after):
            after = max(copies)
            right = labels_of_instances(connection, list(copies))
            wrong += [
                instance_id
                for instance_id, found in copies.items()
                if found != {right.get(instance_id, ())}
            ]
            # Each look sees one moment of its own, and holds nothing back from being cleaned up.
            connection.rollback()
            advance(len(copies))
    return wrong


def _copies(
    connection: Connection, encoder: ActiveEncoder, after: int
) -> dict[int, set[tuple[str, ...]]]:
    """The labels of the next instances' slices, by instance; one element where they agree."""
    rows = connection.execute(
        text(f"""
            SELECT DISTINCT instance_id, labels FROM {encoder.partition}
            WHERE instance_id > :after AND instance_id <= (
                SELECT max(instance_id) FROM (
                    SELECT instance_id FROM {encoder.partition} WHERE instance_id > :after
                    ORDER BY instance_id LIMIT {_AT_ONCE}) s)"""),
        {"after": after},
    )
    copies: dict[int, set[tuple[str, ...]]] = {}
    for row in rows:
        copies.setdefault(row.instance_id, set()).add(tuple(row.labels))
    return copies


def _uids(connection: Connection, instance_ids: list[int]) -> list[str]:
    statement = text("SELECT sop_instance_uid FROM instance WHERE instance_id = ANY (:ids)")
    return list(connection.scalars(statement, {"ids": instance_ids}))
