"""A slice's neighbours, and beside them what its neighbours say about it."""

from sqlalchemy import Connection

from service.evidence.evidence import Evidence, evidence_of
from service.search.similar import Answer, Query, similar
from service.search.target import Target, find_slice


def similar_with_evidence(connection: Connection, query: Query) -> tuple[Answer, Evidence]:
    """The answer to `query`, and the evidence about its slice.

    Whatever the query filters or leaves out, the evidence is that of all other patients: what it
    was calibrated for. Both are read as the gallery is at one moment, if the caller has begun no
    transaction.

    Raises:
        Whatever `similar` raises.
    """
    if not connection.in_transaction():
        # Another encoder may become active meanwhile, and no answer mixes two.
        connection.execution_options(isolation_level="REPEATABLE READ")
    encoder, found = find_slice(connection, query.sop_instance_uid, query.frame)
    evidence = evidence_of(connection, encoder, Target.of(found))
    return similar(connection, query), evidence
