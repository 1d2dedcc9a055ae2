"""How the last round of housekeeping went, kept in one row for the doctor and the metrics.

Kinds of errors only: their texts may quote what was being handled.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import time

from pydantic import TypeAdapter
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from service.db.tables import installation
from service.notes import Count, Moment, read_note

_NAME = "housekeeping"


@dataclass(frozen=True)
class Failure:
    """A duty that failed in the last round: the kind of error, since when (1970), and how often."""

    error: str
    since: Moment
    times: Count


@dataclass(frozen=True)
class Round:
    """When a round ended, in seconds since 1970, and the duties that failed in it, by name."""

    at: Moment
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


_ROUND = TypeAdapter(Round)


def read_round(connection: Connection) -> Round | None:
    """The last round of any node; None before the first.

    Raises:
        NoteUnreadable: that cannot be read; the next round writes it anew.
    """
    return read_note(connection, _NAME, _ROUND)
