"""The DICOM node: listens, and answers C-ECHO and C-STORE (PS3.4 Annexes A and B).

It knows sockets and associations; what becomes of an object is the receiver's business.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pynetdicom import AE, evt
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.transport import ThreadedAssociationServer

from dicom_node.associations import AssociationHandlers, socket_of
from dicom_node.contexts import VERIFICATION
from dicom_node.observer import NodeObserver, SilentObserver
from dicom_node.receive import Receiver
from dicom_node.storing import SUCCESS, StoreHandler

_ABORT_GRACE_S = 2.0
_log = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class NodeConfig:
    """How the node listens; port 0 takes a free one, times are in seconds, sizes in bytes.

    `network_timeout_s` is how long an association may stay idle, or a PDU incomplete.
    """

    ae_title: str = "PRECUNEUS"
    host: str = "127.0.0.1"
    port: int = 11112
    max_associations: int = 100
    network_timeout_s: float = 120.0
    acse_timeout_s: float = 30.0
    dimse_timeout_s: float = 30.0
    max_pdu: int = 131072


class StorageNode:
    """A storage SCP; `configure_pynetdicom` and `configure_pydicom` must have been called."""

    def __init__(
        self,
        config: NodeConfig,
        receiver: Receiver,
        observer: NodeObserver | None = None,
        services: Sequence[EventHandlerType] = (),
    ) -> None:
        """`services` are handlers of further requests, as `commitment_handlers` makes them."""
        self._services = services
        self._config = config
        self._store = StoreHandler(receiver, observer or SilentObserver())
        self._associations = AssociationHandlers(
            config.ae_title, config.max_associations, config.network_timeout_s
        )
        self._server: ThreadedAssociationServer | None = None

    def start(self) -> None:
        """Listen, in threads of its own.

        Raises:
            OSError: address or port cannot be bound.
        """
        config = self._config
        entity = AE(ae_title=config.ae_title)
        entity.require_called_aet = True
        entity.maximum_associations = config.max_associations
        entity.maximum_pdu_size = config.max_pdu
        entity.network_timeout = config.network_timeout_s
        entity.acse_timeout = config.acse_timeout_s
        entity.dimse_timeout = config.dimse_timeout_s
        # pynetdicom copies these contexts for each association, and wants at least one. The real
        # ones are set per association, from what its peer proposes.
        entity.add_supported_context(VERIFICATION)
        self._server = entity.start_server(
            (config.host, config.port),
            block=False,
            evt_handlers=[
                (evt.EVT_C_ECHO, _answer_echo),
                (evt.EVT_C_STORE, self._store),
                *self._associations.bindings(),
                *self._services,
            ],
        )
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
        if self._server is None:
            return self._config.port
        return int(self._server.server_address[1])

    def stop(self, drain_s: float = 0.0) -> None:
        """Take no new associations, let the running ones finish for `drain_s`, abort the rest."""
        server = self._server
        if server is None:
            return
        self._server = None
        server.shutdown()
        _wait_for_end(server, drain_s)
        for association in server.active_associations:
            association.abort(block=False)
        _wait_for_end(server, _ABORT_GRACE_S)
        for association in server.active_associations:
            connection = socket_of(association)
            if connection is not None:
                connection.close()
        _log.info("node stopped", extra={"action": "node.stopped"})


def _answer_echo(event: Event) -> int:
    return SUCCESS


def _wait_for_end(server: ThreadedAssociationServer, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while server.active_associations and time.monotonic() < deadline:
        time.sleep(0.02)
