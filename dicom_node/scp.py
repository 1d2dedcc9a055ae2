"""The DICOM node: listens, and answers C-ECHO, C-STORE and N-ACTION (PS3.4 Annexes A, B, J).

It puts loop, associations and services together; what becomes of an object is the receiver's
business.
"""

import logging
import socket
import threading
from collections.abc import Callable
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
from dicom_node.network.tls_transport import TlsTransport
from dicom_node.network.transport import PlainTransport, Transport
from dicom_node.observer import NodeObserver, SilentObserver
from dicom_node.peers import Caller, Vetting, anybody
from dicom_node.receive import Receiver
from dicom_node.storing import StorageLimits, StoreService
from dicom_node.tls.keeping import ContextKeeper, TlsAcceptance
from dicom_node.upper_layer.association import Answering, Association, State
from dicom_node.upper_layer.command_set import C_ECHO, C_STORE, N_ACTION
from dicom_node.upper_layer.negotiation import Negotiator, Refusal, caller_unknown
from dicom_node.upper_layer.requests import AssociationTitles
from dicom_node.upper_layer.services import Service, answer_echo

Securing = Callable[[socket.socket], Transport]
_ABORT_GRACE_S = 2.0
_log = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class NodeConfig:
    """How the node listens; port 0 takes a free one, None: no plain port. `max_pdu` is in bytes."""

    ae_title: str = "PRECUNEUS"
    host: str = "127.0.0.1"
    port: int | None = 11112
    tls: TlsAcceptance | None = None
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
        self._keeper: ContextKeeper | None = None
        self._plain: Listener | None = None
        self._secure: Listener | None = None
        self._loop: Loop
        self._committer: Committer
        self._services: dict[int, Service]
        self._actions: ActionService | None = None

    def start(self) -> None:
        """Listen, in threads of its own.

        Raises:
            OSError: address or port cannot be bound.
            TlsFilesUnusable: certificate, key or CA file cannot be used.
        """
        config = self._config
        if config.tls is not None:
            self._keeper = ContextKeeper(config.tls)
        self._loop = Loop()
        try:
            self._listen()
        except OSError:
            for listener in self._listeners:
                listener.end()
            self._plain = self._secure = None
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
        if self._keeper is not None:
            self._keeper.start()
        self._loop.start()
        for listener in self._listeners:
            self._loop.post(listener.begin)
        self._tell_started()

    @property
    def port(self) -> int | None:
        """The plain port it listens on; the configured one before `start`."""
        return self._config.port if self._plain is None else self._plain.port

    @property
    def tls_port(self) -> int | None:
        """The port it listens on for TLS; None without TLS, and before `start`."""
        return None if self._secure is None else self._secure.port

    @property
    def _listeners(self) -> list[Listener]:
        return [listener for listener in (self._plain, self._secure) if listener is not None]

    def _listen(self) -> None:
        config, keeper = self._config, self._keeper
        if config.port is not None:
            enter = partial(self._enter, PlainTransport)
            self._plain = Listener(self._loop, config.host, config.port, enter)
        if config.tls is not None and keeper is not None:
            # A lambda, so that each gets the context of the moment.
            enter = partial(self._enter, lambda taken: TlsTransport(taken, keeper.context))
            self._secure = Listener(self._loop, config.host, config.tls.port, enter)

    def _tell_started(self) -> None:
        config = self._config
        _log.info(
            "node listens",
            extra={
                "action": "node.started",
                "ae_title": config.ae_title,
                "host": config.host,
                "port": self.port,
                "tls_port": self.tls_port,
            },
        )

    def stop(self, drain_s: float = 0.0) -> None:
        """Take no new associations, let the running ones finish for `drain_s`, abort the rest.

        What has come whole is registered in any case before this returns.
        """
        listeners, self._plain, self._secure = self._listeners, None, None
        if not listeners:
            return
        if self._keeper is not None:
            self._keeper.stop()
        for listener in listeners:
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

    def _enter(self, secure: Securing, connection: socket.socket, address: str) -> None:
        """Begin an association with whoever connected."""
        try:
            transport = secure(connection)
        except OSError:  # gone already
            connection.close()
            return
        peer = Connection(self._loop, transport, address, self._config.deadlines)
        answering = Answering(
            negotiator=self._negotiator,
            admission=partial(self._admit, peer),
            services=self._services,
            max_pdu=self._config.max_pdu,
            later=peer.later,
        )
        peer.begin(Association(answering), self._changed)
        self._is_empty.clear()
        crowded_out = self._gate.enter(peer)
        if crowded_out is not None:
            crowded_out.drop("too many connections without an association; the oldest gave way")

    def _admit(self, peer: Connection, titles: AssociationTitles) -> Refusal | None:
        certificate = peer.security.certificate if peer.security else None
        fault = self._vet(Caller(titles.calling_ae_title, peer.address, certificate))
        return self._gate.admit(peer.address) if fault is None else caller_unknown(fault)

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
