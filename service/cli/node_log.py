"""`precuneus node log`: who came to the node, and what was refused and why."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from sqlalchemy.exc import OperationalError

from service.cli.output import JsonOption, print_json, print_table
from service.cli.times import parse_since
from service.errors import InvalidParameter
from service.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from service.associations.listing import Selection
    from service.associations.record import AssociationRecord
    from service.associations.summary import ReasonCount

_POLL_S = 1.0
# Commits may become visible out of order, and a database may be away for a while.
_LOOK_BACK_S = 60.0
_REMEMBERED = 10_000


class Outcome(Enum):
    """How an association ended."""

    running = "running"
    released = "released"
    rejected = "rejected"
    aborted = "aborted"
    lost = "lost"


SinceOption = Annotated[
    str | None, typer.Option(help="How far back: 30m, 1h, 2d, or a date as 2024-01-31.")
]
RefusedOption = Annotated[
    bool,
    typer.Option(
        "--refused",
        help="Only where an association, a presentation context or an object was refused, or the "
        "association was aborted.",
    ),
]
OutcomeOption = Annotated[Outcome | None, typer.Option(help="Only what ended so.")]
CallingOption = Annotated[str | None, typer.Option(help="Only of this peer.")]
LimitOption = Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")]
FollowOption = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on, until Ctrl-C: each as it ends.")
]
SummaryOption = Annotated[
    bool, typer.Option("--summary", help="Count what was refused or broke off, by reason.")
]


def log(
    since: SinceOption = None,
    refused: RefusedOption = False,
    outcome: OutcomeOption = None,
    calling_ae_title: CallingOption = None,
    limit: LimitOption = 50,
    follow: FollowOption = False,
    summary: SummaryOption = False,
    json: JsonOption = False,
) -> None:
    """Tell who came to the node, when, and what was accepted or refused and why.

    The newest come last. Connections that never asked for an association, and refusals that repeat,
    are counted by the minute. --follow --json prints one JSON object a line.
    """
    from service.associations.listing import Selection, list_associations
    from service.associations.summary import count_refusals
    from service.opening import open_gallery

    if follow and summary:
        raise InvalidParameter("--summary counts once: leave out --follow.")
    selection = Selection(
        since=parse_since(since, datetime.now(UTC)) if since else None,
        outcome=outcome.value if outcome else None,
        calling_ae_title=calling_ae_title,
        refused=refused,
    )
    with open_gallery(Settings()) as engine:
        if follow:
            _follow(engine, selection, limit=limit, json=json)
        with engine.connect() as connection:
            if summary:
                _print_summary(count_refusals(connection, selection), json=json)
            else:
                records = list_associations(connection, selection, limit)
                _print_records(records[::-1], json=json)


def _follow(engine: "Engine", selection: "Selection", *, limit: int, json: bool) -> NoReturn:
    """Print what is there, and then each association as it ends, until interrupted."""
    from service.associations.listing import list_associations, list_recorded
    from service.processes.signals import stop_event

    with engine.connect() as connection:
        # What is written between the two is in the second, or is found by the first poll.
        seen = _Seen(list_recorded(connection, selection, _LOOK_BACK_S))
        records = list_associations(connection, selection, limit)[::-1]
    for record in records:
        seen.is_news(record)
        _print_line(record, json=json)
    asked, is_away = time.monotonic(), False
    # An interrupt that came in the middle of the driver's work might be lost.
    stopped = stop_event()
    while not stopped.wait(_POLL_S):
        started = time.monotonic()
        try:
            with engine.connect() as connection:
                found = list_recorded(connection, selection, started - asked + _LOOK_BACK_S)
        except OperationalError:
            if not is_away:
                typer.echo("The database does not answer; waiting for it.", err=True)
            is_away = True
            continue
        asked, is_away = started, False
        for record in filter(seen.is_news, found):
            _print_line(record, json=json)
    raise KeyboardInterrupt


class _Seen:
    """What was printed already, of the last few thousand."""

    def __init__(self, records: "Iterable[AssociationRecord]") -> None:
        self._seen = {record.association_id: _state(record) for record in records}

    def is_news(self, record: "AssociationRecord") -> bool:
        """Whether it was never shown, or has changed; it counts as shown from now on."""
        known = self._seen.pop(record.association_id, None)
        self._seen[record.association_id] = _state(record)
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return known != _state(record)


def _state(record: "AssociationRecord") -> tuple[str, int]:
    return record.outcome, record.connections


def _print_line(record: "AssociationRecord", *, json: bool) -> None:
    from service.api.schemas import AssociationBody

    if json:
        typer.echo(AssociationBody.of(record).model_dump_json())
        return
    typer.echo("  ".join(filter(None, astuple(_shown(record)))))


def _print_records(records: "Sequence[AssociationRecord]", *, json: bool) -> None:
    from service.api.schemas import AssociationBody

    if json:
        print_json([AssociationBody.of(record).model_dump(mode="json") for record in records])
        return
    rows = []
    for record in records:
        shown = _shown(record)
        rows.append(
            (
                shown.came,
                _lines(shown.titles, shown.address),
                _lines(shown.outcome, shown.took),
                _lines(shown.exchanged, shown.why),
            )
        )
    # Few columns, so that the reasons can be read on a narrow terminal.
    print_table("Associations", ("came", "who", "outcome", "what and why"), rows)


def _lines(*parts: str) -> str:
    return "\n".join(filter(None, parts))


@dataclass(frozen=True)
class _Shown:
    """A line of the record as text; empty where there is nothing to say."""

    came: str
    address: str
    titles: str
    outcome: str
    took: str
    exchanged: str
    why: str


def _shown(record: "AssociationRecord") -> _Shown:
    from service.associations.words import words_of

    titles = f"{record.calling_ae_title} → {record.called_ae_title}"
    counted = {"accepted": record.accepted_contexts, "refused": record.refused_contexts}
    contexts = ", ".join(f"{count} {what}" for what, count in counted.items() if count)
    exchanged = [
        f"contexts: {contexts}" if contexts else "",
        *(f"{count} × {status}" for status, count in record.answers.items()),
        f"{record.received_bytes:,} bytes",
    ]
    is_one = record.connections == 1
    return _Shown(
        came=record.started_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        address=f"{record.address} {record.tls or ''}".strip(),
        titles=titles if record.calling_ae_title else "",
        outcome=record.outcome if is_one else f"{record.outcome} × {record.connections}",
        took="" if record.seconds is None or not is_one else f"{record.seconds:.1f} s",
        exchanged="; ".join(filter(None, exchanged)),
        why=words_of(record),
    )


def _print_summary(counts: "list[ReasonCount]", *, json: bool) -> None:
    if json:
        print_json(counts)
        return
    rows = [
        (c.count, c.what, c.reason, c.addresses, c.last_at.astimezone().strftime("%Y-%m-%d %H:%M"))
        for c in counts
    ]
    print_table("Refused or broken off", ("times", "what", "why", "addresses", "last"), rows)
