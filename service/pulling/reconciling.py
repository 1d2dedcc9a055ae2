"""Proves what of a peer's studies is here: searchable, pending, failed, unsupported or missing."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Engine

from dicom_node.errors import QueryFailed
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.finding import finder
from dicom_node.requesting.listing import StudyList, list_studies
from dicom_node.requesting.selection import Selection
from service.pulling.comparing import compare_study
from service.pulling.states import STATES


@dataclass(frozen=True)
class StudyAccount:
    """A study's instances at the peer, by their state here.

    `by_count`: the peer names no instances in some series, so that numbers were compared. `fault`
    says why nothing could be found out.
    """

    study_instance_uid: str
    states: dict[str, int]
    by_count: bool = False
    fault: str | None = None


@dataclass
class Account:
    """All selected studies, and their sum; `cut_answers` are ranges the peer told only in part."""

    peer: str
    studies: list[StudyAccount] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    cut_answers: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything was told, and nothing of it is missing here or has failed."""
        found_out = not self.cut_answers and not any(study.fault for study in self.studies)
        return found_out and not self.totals["missing"] and not self.totals["failed"]


def reconcile(
    engine: Engine,
    peer_name: str,
    address: PeerAddress,
    selection: Selection,
    advance: Callable[[int, int], None] = lambda _done, _all: None,
) -> Account:
    """Compare every selected study with the gallery; changes nothing on either side.

    Raises:
        AssociationFailed: the peer is gone.
        QueryFailed: it does not list its studies.
        SQLAlchemyError: the database failed.
    """
    account = Account(peer_name)
    found = StudyList()
    with finder(address) as asking:
        for grown in list_studies(asking, selection, date.today()):
            found = grown
    account.cut_answers = found.cut
    totals: Counter[str] = Counter()
    for number, uid in enumerate(found.uids):
        advance(number, len(found.uids))
        study = _account_for(engine, address, uid, selection)
        account.studies.append(study)
        totals.update(study.states)
    advance(len(found.uids), len(found.uids))
    account.totals = {state: totals[state] for state in STATES}
    return account


def _account_for(
    engine: Engine, address: PeerAddress, uid: str, selection: Selection
) -> StudyAccount:
    try:
        with finder(address) as asking:
            compared = compare_study(engine, asking, uid, selection)
    except QueryFailed as error:
        return StudyAccount(uid, {}, fault=str(error))
    states: dict[str, int] = {state: compared.states[state] for state in STATES}
    return StudyAccount(uid, states, compared.by_count)
