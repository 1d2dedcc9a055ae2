"""The studies similar to one of the gallery, as the API and the command line ask for them."""

from dataclasses import dataclass, field
from time import perf_counter

from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter
from service.studies.answer import MAXIMUM_K, Account, Answer, Query, StepTime
from service.studies.candidates import DEPTH, Candidates, Wanted
from service.studies.describing import describe
from service.studies.everything import rank_everything
from service.studies.scope import Scope, count_up_to, scope_of
from service.studies.scoring import Scored
from service.studies.subject import Subject, find_subject

FEW_SLICES = 100_000
"""Up to here reading all slices once is worth its time: what it answers is proven."""

FEW_COMPARISONS = 50_000_000
"""And up to here, where the query has many slices: half of `MOST_COMPARISONS`."""

MOST_COMPARISONS = 100_000_000
"""Slices of the gallery times slices of the query that `exact` compares: some seconds' work."""


@dataclass(frozen=True)
class _Found:
    """The nearest, whether nothing nearer can be missing, and how they were found."""

    nearest: list[Scored]
    complete: bool
    account: Account


@dataclass
class _Watch:
    """Steps, and how long each took."""

    steps: list[StepTime] = field(default_factory=list)
    _since: float = field(default_factory=perf_counter)

    def note(self, name: str) -> None:
        """The step that ends now."""
        now = perf_counter()
        self.steps.append(StepTime(name, (now - self._since) * 1000))
        self._since = now


def similar_studies(connection: Connection, query: Query, *, few: int = FEW_SLICES) -> Answer:
    """The k studies (or series) nearest to the query's, by default of other patients only.

    Where at most `few` slices take part, all are compared, unless the query has very many. All is
    read as it is at one moment, if the caller has begun no transaction.

    Raises:
        InvalidParameter: k or a filter is out of range, or `exact` would take too long.
        StudyUnknown, SeriesUnknown, StudyPending, NotSearchable: the query has no embedding.
        Unavailable: no encoder is active.
    """
    if not 1 <= query.k <= MAXIMUM_K:
        raise InvalidParameter(f"k must lie between 1 and {MAXIMUM_K}.")
    if not connection.in_transaction():
        # What is deleted meanwhile would be ranked by one statement and unknown to the next.
        connection.execution_options(isolation_level="REPEATABLE READ")
    watch = _Watch()
    encoder, subject = find_subject(connection, query.study_instance_uid, query.series_instance_uid)
    watch.note("query")
    scope = scope_of(subject, query.filters, query.unit, same_patient=query.same_patient)
    reason = _why_everything(connection, encoder, subject, scope, query, few)
    watch.note("plan")
    search = _everything if reason else _candidates
    found = search(connection, encoder, subject, scope, query)
    watch.note("search")
    studies = describe(connection, encoder, subject, scope, found.nearest, query.collapse)
    watch.note("facts")
    told = found.account.told(reason or "more slices take part than are read", watch.steps)
    return Answer(
        query=query,
        encoder=encoder,
        slices=len(subject.rows),
        embedded=subject.embedded,
        pending=subject.pending,
        method="exact" if reason else "candidates",
        complete=found.complete,
        studies=studies,
        explanation=told if query.explain else None,
    )


def _why_everything(
    connection: Connection,
    encoder: ActiveEncoder,
    subject: Subject,
    scope: Scope,
    query: Query,
    few: int,
) -> str | None:
    """Why all slices in scope are compared, or None where candidates are looked for."""
    slices = len(subject.rows)
    most = MOST_COMPARISONS // slices if query.exact else min(few, FEW_COMPARISONS // slices)
    if count_up_to(connection, encoder, scope, most) <= most:
        return "it was asked for" if query.exact else f"no more than {most} slices take part"
    if query.exact:
        raise InvalidParameter(
            f"exact would compare more than {most} slices with {slices}: filter "
            "further, ask about a series, or leave it out and see `complete`."
        )
    return None


def _everything(
    connection: Connection, encoder: ActiveEncoder, subject: Subject, scope: Scope, query: Query
) -> _Found:
    found = rank_everything(
        connection, encoder, subject, scope, query.k, one_per_patient=query.collapse == "patient"
    )
    account = Account(studies_seen=found.units, studies_scored=found.units, slices=found.slices)
    return _Found(found.nearest, True, account)


def _candidates(
    connection: Connection, encoder: ActiveEncoder, subject: Subject, scope: Scope, query: Query
) -> _Found:
    one_per_patient = query.collapse == "patient"
    wanted = Wanted(scope, query.filters, query.k, query.same_patient, one_per_patient)
    search = Candidates(connection, encoder, subject, wanted)
    is_proven = search.run()
    account = Account(
        slices_sent=search.sent,
        depth=DEPTH,
        studies_seen=search.seen,
        studies_scored=search.scored,
        slices=search.slices,
    )
    return _Found(search.nearest, is_proven, account)
