"""What `precuneus doctor` says of housekeeping: whether it goes on, and what of it fails."""

from datetime import UTC, datetime

from sqlalchemy import Connection

from service.errors import NoteUnreadable
from service.finding import Finding
from service.housekeeping.rounds import Round, read_round

_SUBJECT = "housekeeping"
# Calibrating a large gallery for the first time takes minutes.
_LONG_AGO_S = 3600.0


def examine_housekeeping(connection: Connection) -> Finding:
    """How the last round went, and how long ago."""
    try:
        last = read_round(connection)
    except NoteUnreadable as error:
        remedy = "The node's next round writes it anew: is it up?"
        return Finding(_SUBJECT, "note", str(error), remedy)
    if last is None:
        remedy = "The node does it: `precuneus serve` runs one."
        return Finding(_SUBJECT, "note", "never done yet", remedy)
    told, facts = f"last done {last.age_s / 60:.0f} minutes ago", _facts(last)
    if last.failing:
        told += "; failing: " + ", ".join(
            f"{name} ({failure.error}, {failure.times} times)"
            for name, failure in sorted(last.failing.items())
        )
        remedy = "It is tried again every minute; the node's log has `….failed` with the place."
        return Finding(_SUBJECT, "wrong", told, remedy, facts)
    if last.age_s > _LONG_AGO_S:
        remedy = "Is the node up? Nothing is purged, calibrated or measured without it."
        return Finding(_SUBJECT, "note", told, remedy, facts)
    return Finding(_SUBJECT, "ok", told, facts=facts)


def _facts(last: Round) -> dict[str, str | float | None]:
    at = datetime.fromtimestamp(last.at, UTC).isoformat()
    return {"at": at, "age_s": last.age_s, "failing": ", ".join(sorted(last.failing))}
