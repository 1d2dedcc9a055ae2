"""What `precuneus doctor` says of recall: what the canary found last, and whether to act on it."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from service.encoders.registry import find_active
from service.errors import NoteUnreadable
from service.finding import Finding
from service.verifying.canary import CanaryReading, pause_s, read_canary
from service.verifying.recall import LOWEST_RECALL

_SUBJECT = "recall"
# Of fewer searches than this, one neighbour lost may be all that is wrong.
_FEW_QUERIES = 50
# A node that was busy, or started anew, may leave out a measurement or two.
_MISSED = 3
_LEAST_PATIENCE_S = 900.0
_TURN_ON = "Set PRECUNEUS_GALLERY__RECALL_CANARY_S (300), or run `precuneus index verify`."
_MEASURE = "The node measures it every few minutes: is it up? `precuneus index verify` does it now."


def examine_recall(connection: Connection, interval_s: float) -> Finding | None:
    """The canary's last word, which it says every `interval_s` (0: never), and how old it is.

    None as long as nothing can be searched.
    """
    encoder = find_active(connection)
    if encoder is None:
        return None
    try:
        reading = read_canary(connection)
    except NoteUnreadable as error:
        remedy = _MEASURE if interval_s else _TURN_ON
        return Finding(_SUBJECT, "note", str(error), remedy, _facts(encoder.name, None))
    if reading is not None and reading.encoder == encoder.name:
        return _judged(reading, interval_s)
    if not connection.scalar(text(f"SELECT EXISTS (SELECT FROM {encoder.partition})")):
        return None
    told, facts = f"never measured for {encoder.name}", _facts(encoder.name, None)
    if not interval_s:
        return Finding(_SUBJECT, "note", f"{told}: the canary is off", _TURN_ON, facts)
    remedy = f"{_MEASURE} There must be slices of two patients."
    return Finding(_SUBJECT, "note", told, remedy, facts)


def _facts(encoder: str, reading: CanaryReading | None) -> dict[str, str | float | None]:
    facts: dict[str, str | float | None] = {"encoder": encoder, "wanted": LOWEST_RECALL}
    facts |= dict.fromkeys(("recall", "last", "measured_at", "age_s", "out_of_reach", "looked"))
    if reading is not None:
        measured_at = datetime.fromtimestamp(reading.measured_at, UTC).isoformat()
        facts |= {"recall": reading.recall, "last": reading.last}
        facts |= {"measured_at": measured_at, "age_s": reading.age_s}
        if reading.looked:
            facts |= {"out_of_reach": reading.out_of_reach, "looked": reading.looked}
    return facts | {"searches": sum(reading.queries) if reading else 0}


def _judged(reading: CanaryReading, interval_s: float) -> Finding:
    told, facts = reading.sentence(), _facts(reading.encoder, reading)
    if reading.recall is None or reading.last is None:
        remedy = "Run `precuneus index verify` in a quiet hour; does the gallery fit into memory?"
        return Finding(_SUBJECT, "note", told, remedy, facts)
    told += f" In the last check alone: {reading.last:.4f}. Wanted: {LOWEST_RECALL:g}."
    if reading.recall < LOWEST_RECALL:
        if sum(reading.queries) < _FEW_QUERIES:
            remedy = "So few searches do not tell much: `precuneus index verify` makes more."
            return Finding(_SUBJECT, "note", told, remedy, facts)
        remedy = "Searches lose neighbours: run `precuneus index rebuild`."
        return Finding(_SUBJECT, "wrong", told, remedy, facts)
    if not reading.reach.is_good:
        remedy = "Searches near those slices compare everything: run `precuneus index rebuild`."
        return Finding(_SUBJECT, "note", told, remedy, facts)
    if not interval_s:
        return Finding(_SUBJECT, "note", f"{told} The canary is off now.", _TURN_ON, facts)
    if reading.age_s > max(_LEAST_PATIENCE_S, _MISSED * pause_s(reading, interval_s)):
        return Finding(_SUBJECT, "note", f"{told} That is too long ago.", _MEASURE, facts)
    return Finding(_SUBJECT, "ok", told, facts=facts)
