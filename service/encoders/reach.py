"""Which part of a gallery an index leaves out of reach; it measures, and changes nothing.

Levels of the graph are drawn by lot. Of a disease far from all others hardly a link leads to the
rest, so that a walk reaches it only where the upper levels happen to have one of its slices. What
is out of reach is found by comparing everything: rightly, and slowly.
"""

from dataclasses import dataclass
from logging import Logger

from sqlalchemy import Connection, Engine, text

from service.encoders.partitions import index_state, indexed
from service.encoders.registry import ActiveEncoder
from service.encoders.spread import evenly_spread

SAMPLE = 2000
# Chance is seldom bad so many times; and building takes long.
MOST_BUILDS = 3
# Good builds of 100,000 slices lost none of 10,000, one in ten lost 300 (docs/search.md).
_ALLOWED = 0.002
_ALLOWED_OF_FEW = 2
_SHORTEST_WALK = 32
# Walks take far longer than looking where most was deleted.
_TRIES = 20
_SETTINGS = (
    f"SET LOCAL hnsw.ef_search = {_SHORTEST_WALK}; SET LOCAL hnsw.iterative_scan = off;"
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
    "SET LOCAL enable_sort = off; SET LOCAL jit = off"
)


@dataclass(frozen=True)
class Reach:
    """Of `looked` slices, so many that the shortest walk does not come upon."""

    looked: int
    lost: int

    @property
    def is_good(self) -> bool:
        """Whether no more are lost than another build would probably lose."""
        return self.lost <= max(_ALLOWED_OF_FEW, _ALLOWED * self.looked)

    def sentence(self) -> str:
        """The figures for a person, with what to do."""
        told = f"{self.lost} of {self.looked} slices are out of the index's reach"
        if self.is_good:
            return f"{told}."
        return f"{told}: searches near them are slow; `precuneus index rebuild` draws it anew."


def reach_of_build(engine: Engine, encoder: ActiveEncoder, log: Logger) -> Reach:
    """What a build has in reach, measured however long that takes; a bad draw is logged.

    Raises:
        SQLAlchemyError: the database failed.
    """
    with engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        reach = measure_reach(connection, encoder)
    if not reach.is_good:
        fields = {"action": "index.reach", "encoder": encoder.name, "lost": reach.lost}
        log.warning("%s", reach.sentence(), extra=fields)
    return reach


def measure_reach(connection: Connection, encoder: ActiveEncoder, sample: int = SAMPLE) -> Reach:
    """Walk to `sample` slices, all of a small gallery, and count those not found.

    Each time they are others, so that what one measurement overlooks another may find. Without a
    valid index nothing is looked at.

    Another slice that the index cannot tell from the one walked to is as good. The connection must
    not be in AUTOCOMMIT.

    Raises:
        SQLAlchemyError: the database failed.
    """
    if index_state(connection, encoder.encoder_id) != "valid":
        return Reach(0, 0)
    held = indexed("e.coordinates", encoder.dimension)
    columns = f"{indexed('r.coordinates', encoder.dimension)} AS held"
    drawn = evenly_spread(encoder, sample, columns, tries=_TRIES, start="random()")
    statement = text(f"""
        SELECT count(*) AS looked, count(*) FILTER (WHERE w.away IS DISTINCT FROM 0) AS lost
        FROM ({drawn}) q
             LEFT JOIN LATERAL (
                 SELECT {held} <-> q.held AS away FROM {encoder.partition} e
                 ORDER BY {held} <-> q.held LIMIT 1) w ON true
    """)
    nested = connection.begin_nested()
    try:
        connection.exec_driver_sql(_SETTINGS)
        row = connection.execute(statement).one()
    finally:
        # What follows in the transaction is planned as if nothing had been measured.
        nested.rollback()
    return Reach(row.looked, row.lost)
