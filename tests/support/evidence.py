"""Galleries whose slices have labels with a source, for tests of evidence."""

from collections.abc import Sequence

from sqlalchemy import Engine, insert

from service.db.tables import label
from service.encoders.registry import ActiveEncoder
from tests.support.galleries import MadeInstance, clustered_instances, fill


def say(engine: Engine, instances: Sequence[MadeInstance], source: str = "report") -> None:
    """Record the instances' own labels as said by `source`."""
    rows = [
        {"sop_instance_uid": made.sop_instance_uid, "label": name, "source": source}
        for made in instances
        for name in made.labels
    ]
    with engine.begin() as connection:
        connection.execute(insert(label), rows)


def labelled_gallery(
    engine: Engine, encoder: ActiveEncoder, patients: int = 60, slices_each: int = 3
) -> list[MadeInstance]:
    """A gallery of three diseases, every slice labelled by a report."""
    made = clustered_instances(patients, slices_each)
    fill(engine, made, encoder)
    say(engine, made)
    return made
