"""A pull: every selected study of a peer that is not here is fetched, one after the other.

What is registered is not asked for again, so that a pull may be run as often as one likes. A study
that fails does not stop the others; a peer that is gone does, and the pull goes on another time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Engine

from dicom_node.errors import AssociationFailed, MoveDestinationUnknown, QueryFailed
from dicom_node.receive import Receiver
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.finding import finder
from dicom_node.requesting.listing import list_studies
from dicom_node.requesting.retrieving import Retrieved, Wanted, get, move
from dicom_node.requesting.selection import Selection
from service.pulling import progress
from service.pulling.comparing import StudyComparison, compare_study
from service.pulling.method import By, Method
from service.pulling.throttle import Throttle

_GONE_AFTER = 3
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class StudyFailure:
    """A study that is not here in full, and why."""

    study_instance_uid: str
    reason: str


@dataclass
class PullReport:
    """What a pull found and did; instances are those of the studies that had their turn."""

    peer: str
    by: By
    reason: str
    resumed: bool = False
    studies: int = 0
    studies_done: int = 0
    instances: int = 0
    known_already: int = 0
    received: int = 0
    failures: list[StudyFailure] = field(default_factory=list)
    cut_answers: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether all that was selected is here now, as far as the peer tells."""
        return not self.failures and not self.cut_answers


class Puller:
    """Fetches from one peer by one method, which a peer that refuses it may change."""

    def __init__(
        self,
        engine: Engine,
        receiver: Receiver,
        address: PeerAddress,
        method: Method,
        throttle: Throttle,
    ) -> None:
        self._engine, self._receiver, self._address = engine, receiver, address
        self.method = method
        self._throttle = throttle

    def run(
        self,
        peer_name: str,
        selection: Selection,
        *,
        anew: bool = False,
        advance: Advance = lambda _done, _all: None,
    ) -> PullReport:
        """Pull the selection; `advance` is told how many studies of how many are done.

        Raises:
            AssociationFailed, QueryFailed: the peer is gone; what was done until then counts.
            MoveDestinationUnknown: it knows no way to us.
            OutOfResources, SQLAlchemyError: our disk or database failed.
            Unavailable: another pull from it is running.
        """
        report = PullReport(peer_name, self.method.by, self.method.reason)
        with progress.only_pull(self._engine, peer_name):
            with self._engine.begin() as connection:
                row = progress.begin_pull(connection, peer_name, selection, anew=anew)
            report.resumed = row.resumed
            if not row.listed:
                self._list(row.pull_id, selection, report)
            with self._engine.connect() as connection:
                report.studies = progress.count_studies(connection, row.pull_id)
                waiting = progress.unsettled_studies(connection, row.pull_id)
            report.studies_done = report.studies - len(waiting)
            self._pull_all(row.pull_id, waiting, selection, report, advance)
            with self._engine.begin() as connection:
                progress.finish_pull(connection, row.pull_id)
        report.by, report.reason = self.method.by, self.method.reason
        return report

    def _list(self, pull_id: int, selection: Selection, report: PullReport) -> None:
        self._throttle.before()
        with finder(self._address) as asking:
            for found in list_studies(asking, selection, date.today()):
                with self._engine.begin() as connection:
                    progress.add_studies(connection, pull_id, found.uids)
                report.cut_answers = found.cut
        with self._engine.begin() as connection:
            # A list with gaps is made anew the next time.
            if not report.cut_answers:
                progress.mark_listed(connection, pull_id)

    def _pull_all(
        self,
        pull_id: int,
        uids: list[str],
        selection: Selection,
        report: PullReport,
        advance: Advance,
    ) -> None:
        unreached = 0
        for uid in uids:
            advance(report.studies_done + len(report.failures), report.studies)
            try:
                reason = self._pull_study(uid, selection, report)
                unreached = 0
            except (AssociationFailed, QueryFailed) as error:
                unreached += 1
                if unreached == _GONE_AFTER:
                    raise
                reason = str(error)
            with self._engine.begin() as connection:
                progress.settle_study(connection, pull_id, uid, reason)
            if reason:
                report.failures.append(StudyFailure(uid, reason))
            else:
                report.studies_done += 1
        advance(report.studies, report.studies)

    def _pull_study(self, uid: str, selection: Selection, report: PullReport) -> str:
        """Fetch what is missing of a study; why some of it still is, or an empty text."""
        before = self._compare(uid, selection)
        report.instances += before.instances
        report.known_already += before.instances - before.states["missing"]
        if not before.wanted:
            return "" if before.instances or not selection.study_instance_uid else _NOTHING
        outcomes = [self._fetch(wanted) for wanted in before.wanted]
        after = self._compare(uid, selection)
        if after.wanted and any(outcome.status is None for outcome in outcomes):
            # An association that was lost is no refusal: what is still missing is asked for again.
            outcomes = [self._fetch(wanted) for wanted in after.wanted]
            after = self._compare(uid, selection)
        report.received += before.states["missing"] - after.states["missing"]
        if not after.states["missing"]:
            return ""
        reasons = dict.fromkeys(outcome.reason for outcome in outcomes if outcome.reason)
        why = "; ".join(reasons) or "the peer says it sent them"
        return f"{after.states['missing']} of {after.instances} instances did not arrive: {why}"

    def _compare(self, uid: str, selection: Selection) -> StudyComparison:
        self._throttle.before()
        with finder(self._address) as asking:
            return compare_study(self._engine, asking, uid, selection, self._throttle.chunk)

    def _fetch(self, wanted: Wanted) -> Retrieved:
        self._throttle.before()
        started = time.monotonic()
        try:
            retrieved = self._retrieve(wanted)
        except MoveDestinationUnknown as error:
            if self.method.other is None:
                raise
            self.method = Method(self.method.other, str(error))
            retrieved = self._retrieve(wanted)
        self._throttle.after(retrieved.completed, time.monotonic() - started)
        return retrieved

    def _retrieve(self, wanted: Wanted) -> Retrieved:
        if self.method.by == "move":
            return move(self._address, wanted)
        return get(self._address, wanted, self._receiver)


_NOTHING = "the peer has nothing of it, or nothing that is selected"
