"""How the last round of housekeeping went, kept in one row for the doctor and the metrics.

Kinds of errors only: their texts may quote what was being handled.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import time

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from service.db.tables import installation

_NAME = "housekeeping"


@dataclass(frozen=True)
class Failure:
    """A duty that failed in the last round: the kind of error, since when (1970), and how often."""

    error: str
    since: float
    times: int


@dataclass(frozen=True)
class Round:
    """When a round ended, in seconds since 1970, and the duties that failed in it, by name."""

    at: float
    failing: Mapping[str, Failure]

    @property
    def age_s(self) -> float:
        """Seconds since then."""
        return max(0.0, time() - self.at)


def write_round(connection: Connection, ended: Round) -> None:
    """Note a round, instead of the one before."""
    value = json.dumps(asdict(ended))
    statement = insert(installation).values(name=_NAME, value=value)
    replaced = {"value": statement.excluded.value}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=replaced))


def read_round(connection: Connection) -> Round | None:
    """The last round of any node; None before the first."""
    value = connection.scalar(select(installation.c.value).where(installation.c.name == _NAME))
    if value is None:
        return None
    facts = json.loads(value)
    failing = {name: Failure(**failure) for name, failure in facts["failing"].items()}
    return Round(facts["at"], failing)
