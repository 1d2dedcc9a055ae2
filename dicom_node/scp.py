"""The DICOM node: listens, and answers C-ECHO, C-STORE and N-ACTION (PS3.4 Annexes A, B, J).

It puts loop, associations and services together; what becomes of an object is the receiver's
business.
"""

import logging
import socket
import threading
from dataclasses import dataclass, field
from functools import partial

from dicom_node.acting import ActionService
from dicom_node.association_log import AssociationLog
from dicom_node.commitment import TakeRequest
from dicom_node.committing import Committer
from dicom_node.network.connection import Connection
from dicom_node.network.deadlines import Deadlines
from dicom_node.network.gate import Gate, Limits
from dicom_node.network.listener import Listener
from dicom_node.network.loop import Loop
from dicom_node.network.transport import PlainTransport
from dicom_node.observer import NodeObserver, SilentObserver
from dicom_node.peers import Caller, Vetting, anybody
from dicom_node.receive import Receiver
from dicom_node.storing import StorageLimits, StoreService
from dicom_node.upper_layer.association import Answering, Association, State
from dicom_node.upper_layer.command_set import C_ECHO, C_STORE, N_ACTION
from dicom_node.upper_layer.negotiation import Negotiator, Refusal, caller_unknown
from dicom_node.upper_layer.requests import AssociationTitles
from dicom_node.upper_layer.services import Service, answer_echo

_ABORT_GRACE_S = 2.0
_log = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class NodeConfig:
    """How the node listens; port 0 takes a free one. `max_pdu` is in bytes."""

    ae_title: str = "PRECUNEUS"
    host: str = "127.0.0.1"
    port: int = 11112
    max_pdu: int = 131072
    limits: Limits = field(default_factory=Limits)
    deadlines: Deadlines = field(default_factory=Deadlines)
    storage: StorageLimits = field(default_factory=StorageLimits)


class StorageNode:
    """A storage SCP, and one of storage commitment where somebody takes its requests.

    `configure_pynetdicom` and `configure_pydicom` must have been called.
    """

    def __init__(
        self,
        config: NodeConfig,
        receiver: Receiver,
        observer: NodeObserver | None = None,
        *,
        take_commitment: TakeRequest | None = None,
        vet: Vetting = anybody,
    ) -> None:
        """`take_commitment` may wait for a database; `vet` is asked at each association request."""
        self._config = config
        self._vet = vet
        self._take_commitment = take_commitment
        self._receiver = receiver
        self._observer = observer or SilentObserver()
        self._negotiator = Negotiator(config.ae_title, config.max_pdu)
        self._gate = Gate(config.limits)
        self._log = AssociationLog(self._observer)
        self._is_empty = threading.Event()
        self._is_empty.set()
        self._listener: Listener | None = None
        self._loop: Loop
        self._committer: Committer
        self._services: dict[int, Service]
        self._actions: ActionService | None = None

    def start(self) -> None:
        """Listen, in threads of its own.

        Raises:
            OSError: address or port cannot be bound.
        """
        config = self._config
        self._loop = Loop()
        try:
            self._listener = Listener(self._loop, config.host, config.port, self._enter)
        except OSError:
            self._loop.close()
            raise
        self._committer = Committer(self._receiver)
        self._services = {
            C_ECHO: answer_echo,
            C_STORE: StoreService(self._receiver, self._committer, self._observer, config.storage),
        }
        self._committer.start()
        if self._take_commitment is not None:
            self._services[N_ACTION] = self._actions = ActionService(self._take_commitment)
            self._actions.start()
        self._loop.start()
        self._loop.post(self._listener.begin)
        _log.info(
            "node listens",
            extra={
                "action": "node.started",
                "ae_title": config.ae_title,
                "host": config.host,
                "port": self.port,
            },
        )

    @property
    def port(self) -> int:
        """The port it listens on; the configured one before `start`."""
        return self._config.port if self._listener is None else self._listener.port

    def stop(self, drain_s: float = 0.0) -> None:
        """Take no new associations, let the running ones finish for `drain_s`, abort the rest.

        What has come whole is registered in any case before this returns.
        """
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._loop.post(listener.end)
        self._loop.post(self._drop_unassociated)
        self._is_empty.wait(drain_s)
        self._loop.post(self._abort_all)
        self._is_empty.wait(_ABORT_GRACE_S)
        self._loop.post(self._drop_all)
        self._committer.close()
        if self._actions is not None:
            self._actions.close()
        self._loop.stop()
        _log.info("node stopped", extra={"action": "node.stopped"})

    def _enter(self, connection: socket.socket, address: str) -> None:
        """Begin an association with whoever connected."""
        try:
            transport = PlainTransport(connection)
        except OSError:  # gone already
            connection.close()
            return
        peer = Connection(self._loop, transport, address, self._config.deadlines)
        answering = Answering(
            negotiator=self._negotiator,
            admission=partial(self._admit, address),
            services=self._services,
            max_pdu=self._config.max_pdu,
            later=peer.later,
        )
        peer.begin(Association(answering), self._changed)
        self._is_empty.clear()
        crowded_out = self._gate.enter(peer)
        if crowded_out is not None:
            crowded_out.drop("too many connections without an association; the oldest gave way")

    def _admit(self, address: str, titles: AssociationTitles) -> Refusal | None:
        fault = self._vet(Caller(titles.calling_ae_title, address))
        return self._gate.admit(address) if fault is None else caller_unknown(fault)

    def _changed(self, peer: Connection) -> None:
        self._log.follow(peer)
        if peer.association.state is State.CLOSED:
            self._log.forget(peer)
            self._gate.leave(peer)
            if not len(self._gate):
                self._is_empty.set()

    def _drop_unassociated(self) -> None:
        """Nobody is waited for who has not asked for anything yet."""
        for peer in self._gate.all():
            if peer.association.state is State.AWAITING_REQUEST:
                peer.drop("the node stops")

    def _abort_all(self) -> None:
        for peer in self._gate.all():
            peer.abort("the node stops")

    def _drop_all(self) -> None:
        for peer in self._gate.all():
            peer.drop("the node stops")
