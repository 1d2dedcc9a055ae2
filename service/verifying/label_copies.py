"""Compares the labels that slices are found under with what the gallery's labels say of them.

What an instance's labels are is `service.labels`'s to say; here they are only compared, so many
instances at a time.
"""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text

from service.encoders import ActiveEncoder
from service.labels import labels_of_instances
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
    after, wrong, examples = 0, 0, list[str]()
    # Copies and labels must be of one moment.
    with engine.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
        while copies := _copies(connection, encoder, after):
            after = max(copies)
            right = labels_of_instances(connection, list(copies))
            differ = [
                instance_id
                for instance_id, found in copies.items()
                if found != {right.get(instance_id, ())}
            ]
            wrong += len(differ)
            if differ and len(examples) < faults.MOST_EXAMPLES:
                examples += _uids(connection, differ[: faults.MOST_EXAMPLES])
            connection.rollback()
            advance(len(copies))
    return [Fault.of(faults.LABELS_WRONG, wrong, examples)] if wrong else []


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
