"""The Storage Commitment SCP: takes requests on, and tells their results from a thread of its own.

A result is looked up when it is told, not when it is asked for: what arrives meanwhile counts.
"""

import logging
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.commitment import ActionRequest, CommitmentRefused, read_request
from dicom_node.errors import AssociationFailed, TlsFilesUnusable
from dicom_node.files import ObjectStore
from dicom_node.requesting.reporting import report_commitment
from dicom_node.statuses import ActionStatus
from dicom_node.tls.files import TlsFiles
from service.commitment import queue
from service.commitment.answering import answer
from service.errors import PeerUnknown
from service.peers import find_peer

_POLL_S = 1.0
_LOG = logging.getLogger("precuneus.node")


class CommitmentService:
    """Safe to be called from many threads; `take` is what the node's N-ACTION calls."""

    def __init__(
        self, engine: Engine, store: ObjectStore, ae_title: str, files: TlsFiles | None = None
    ) -> None:
        """`files` are our own for the peers that are called over TLS, read anew for each result."""
        self._engine, self._store, self._ae_title = engine, store, ae_title
        self._files = files
        self._stopped, self._woken = Event(), Event()
        self._thread = Thread(target=self._run, name="commitment")

    def take(self, request: ActionRequest) -> None:
        """Take a request on, durably; its result is told soon, on an association of ours.

        Raises:
            CommitmentRefused: it is malformed, its peer is not known, or the database failed.
        """
        wanted = read_request(request)
        try:
            with self._engine.begin() as connection:
                is_known = queue.enqueue(connection, request.calling_ae_title, wanted)
        except SQLAlchemyError:
            raise CommitmentRefused(
                ActionStatus.OUT_OF_RESOURCES, "the database did not take it"
            ) from None
        if not is_known:
            raise CommitmentRefused(
                ActionStatus.NOT_AUTHORISED,
                f"{request.calling_ae_title} is no known peer: where to answer?",
            )
        self._woken.set()

    def start(self) -> None:
        """Begin to tell results, those left by a former process first."""
        self._thread.start()

    def stop(self) -> None:
        """End after the result that is being told."""
        self._stopped.set()
        self._woken.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            try:
                while not self._stopped.is_set() and self.tell_next():
                    pass
            except (SQLAlchemyError, OSError) as error:
                fields = {"action": "commitment.failed", "error": type(error).__name__}
                _LOG.warning("storage commitment is tried again", extra=fields)
            self._woken.wait(_POLL_S)

    def tell_next(self) -> bool:
        """Tell the next result that is due; False where there is none.

        Raises:
            SQLAlchemyError, OSError: our database or disk failed; the result stays due.
        """
        with self._engine.begin() as connection:
            due = queue.claim_due(connection)
        if due is None:
            return False
        with self._engine.connect() as connection:
            result = answer(connection, self._store, due.request)
            try:
                peer = find_peer(connection, due.peer_name)
            except PeerUnknown:  # forgotten a moment ago, and its requests with it
                return True
        fields: dict[str, object] = {
            "peer": due.peer_name,
            "transaction_uid": due.request.transaction_uid,
            "committed": len(result.committed),
            "failed": len(result.failed),
        }
        try:
            report_commitment(peer.address(self._ae_title, self._files), result)
        except (AssociationFailed, TlsFilesUnusable) as error:
            self._postpone(due, str(error), fields)
            return True
        with self._engine.begin() as connection:
            queue.settle(connection, due)
        _LOG.info("storage commitment told", extra=fields | {"action": "commitment.told"})
        return True

    def _postpone(self, due: queue.DueCommitment, reason: str, fields: dict[str, object]) -> None:
        with self._engine.begin() as connection:
            seconds = queue.postpone(connection, due)
        fields |= {"reason": reason, "attempts": due.attempts}
        if seconds is None:
            _LOG.error("storage commitment given up", extra=fields | {"action": "commitment.lost"})
        else:
            fields |= {"action": "commitment.postponed", "again_in_s": seconds}
            _LOG.warning("storage commitment not told yet", extra=fields)
