"""Asks the gallery about its own labelled slices, as users ask it: other patients only, in SQL."""

from collections.abc import Callable, Sequence
from time import monotonic

from sqlalchemy import Connection

from service.calibration.ballots import Question, Vote
from service.calibration.sampling import LabelledSlice
from service.encoders.registry import ActiveEncoder
from service.evidence.votes import PATIENTS, candidates_of, voters_of
from service.search.filters import Filters
from service.search.nearest import nearest
from service.search.target import Target


def ask_gallery(
    connection: Connection,
    encoder: ActiveEncoder,
    drawn: Sequence[LabelledSlice],
    *,
    budget_s: float,
    is_stopped: Callable[[], bool] = lambda: False,
) -> list[Question]:
    """Each drawn slice with the votes of other patients; no more once time is up or `is_stopped`.

    `drawn` must be in random order, so that the first of them are a sample.
    """
    until = monotonic() + budget_s
    questions = []
    for labelled in drawn:
        if monotonic() > until or is_stopped():
            break
        found = nearest(
            connection,
            encoder,
            Target.of(labelled.slice),
            Filters(),
            k=PATIENTS,
            collapse="patient",
        )
        voters = voters_of(candidates_of(connection, found.neighbours))
        votes = tuple(Vote(voter.neighbour.distance, voter.names) for voter in voters)
        questions.append(Question(labelled.slice.patient_key.hex, labelled.labels, votes))
    return questions
