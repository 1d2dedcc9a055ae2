"""What is asked of a search by what is no slice of the gallery, and the answer from the database.

Nothing is embedded here: where to search is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter
from service.evidence.evidence import Evidence, evidence_of
from service.search.filters import EVERYTHING, Filters
from service.search.found import Found
from service.search.nearest import Collapse, nearest
from service.search.paging import page_of
from service.search.target import Target
from service.uploads.kinds import Kind

_MAYBE_ITS_PATIENT = (
    "The file names no patient: slices of the same one may be among the neighbours."
)

Patient = Literal["left out", "searched", "unknown"]


@dataclass(frozen=True)
class Wanted:
    """What the neighbours must be, and how to look for them; `evidence` is of whole slices only.

    `cursor` is an answer's `next_cursor`, and goes on where that one ended, of the same query.
    """

    k: int = 5
    filters: Filters = EVERYTHING
    same_patient: bool = False
    collapse: Collapse = "none"
    exact: bool = False
    explain: bool = False
    evidence: bool = False
    cursor: str | None = None

    @property
    def patient(self) -> Patient:
        """What becomes of slices of the query's own patient."""
        return "searched" if self.same_patient else "left out"


@dataclass(frozen=True)
class QueryAnswer:
    """What was found; `patient` says what became of slices of the query's own patient.

    `kind` and `sop_instance_uid` are an upload's, None where there is none; `evidence` is there if
    it was wanted. `next_cursor` leads to what follows, None where nothing can.
    """

    encoder: ActiveEncoder
    found: Found
    patient: Patient
    kind: Kind | None = None
    sop_instance_uid: str | None = None
    evidence: Evidence | None = None
    next_cursor: str | None = None


@dataclass(frozen=True)
class Aim:
    """What is searched near, and the modality of it where that is known.

    `asked` is what a cursor belongs to: plain facts that are the same whenever the same is asked.
    """

    target: Target
    asked: Mapping[str, Any]
    modality: str | None = None


def answer(connection: Connection, active: ActiveEncoder, aim: Aim, wanted: Wanted) -> QueryAnswer:
    """What is found near `aim`, with evidence if it is wanted: that of all other patients.

    Raises:
        InvalidParameter: what is wanted is out of range, or the cursor not of this query.
        StaleCursor: another encoder is active than when the cursor was given.
    """
    question = _question(aim, wanted)
    page = page_of(active, question, wanted.cursor, wanted.k)
    evidence = None
    if wanted.evidence:
        evidence = evidence_of(connection, active, aim.target, modality=aim.modality)
    found = nearest(
        connection,
        active,
        aim.target,
        wanted.filters,
        k=page.k,
        after=page.after,
        same_patient=wanted.same_patient,
        collapse=wanted.collapse,
        exact=wanted.exact,
        explain=wanted.explain,
    )
    cursor = page.next_cursor(active, question, found)
    return QueryAnswer(active, found, wanted.patient, evidence=evidence, next_cursor=cursor)


def _question(aim: Aim, wanted: Wanted) -> dict[str, Any]:
    """What a cursor belongs to: all but how many are asked for, and how they are found."""
    return {
        "asked": dict(aim.asked),
        "same_patient": wanted.same_patient,
        "collapse": wanted.collapse,
        "filters": wanted.filters.facts(),
    }


def refuse_evidence(wanted: Wanted) -> None:
    """Refuse it for what is no whole slice.

    Raises:
        InvalidParameter: it is wanted; the message says where it is to be had.
    """
    if wanted.evidence:
        raise InvalidParameter(
            "Evidence is measured on whole slices: it is there for a file, and for a slice of the "
            "gallery at …/similar?evidence=true, but not for a region or for examples."
        )


def of_nobody(answer: QueryAnswer) -> QueryAnswer:
    """The same of a file that names no patient."""
    told = answer.evidence
    if told is not None:
        told = replace(told, remarks=(*told.remarks, _MAYBE_ITS_PATIENT))
    return replace(answer, patient="unknown", evidence=told)
