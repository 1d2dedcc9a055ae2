"""Who may associate with the node: the table of known peers, kept in memory and asked anew.

It decides about association requests, which must not wait for a database. A peer that is added or
removed counts a moment later; while the database is away the table counts as it last was.
"""

import ipaddress
import logging
import shlex
from collections.abc import Mapping
from threading import Event, Thread
from typing import Self

from sqlalchemy import Engine

from dicom_node.peers import Caller
from dicom_node.tls.identity import certificate_fault
from service.dicom_settings import DicomSettings
from service.peers import Peer, ip_address_of, list_peers

_PAUSE_S = 1.0
_LOG = logging.getLogger("precuneus.node")


class KnownPeers:
    """The node's vetting: with no peer known anybody may come, else known peers alone.

    The node's own AE title may come from its own machine: so do `doctor` and `node pull` ask
    whether the node is there.
    """

    def __init__(self, engine: Engine, own: DicomSettings, pause_s: float = _PAUSE_S) -> None:
        self._engine, self._own, self._pause_s = engine, own, pause_s
        self._by_title: Mapping[str, Peer] = {}
        self._is_stale = False
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="known-peers")

    def __enter__(self) -> Self:
        """Read the table, and then again and again in a thread, until the end of the block.

        Raises:
            SQLAlchemyError: it cannot be read; nobody knows then who may come.
        """
        with self._engine.connect() as connection:
            self._by_title = {peer.ae_title: peer for peer in list_peers(connection)}
        self._tell()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def vet(self, caller: Caller) -> str | None:
        """As `dicom_node.peers.Vetting` says."""
        by_title = self._by_title
        title, address = caller.calling_ae_title, caller.address
        if not by_title or self._is_ourselves(caller):
            return None
        peer = by_title.get(title)
        if peer is None:
            # The title is the caller's, and the words are to be pasted into a shell.
            command = f"precuneus node peers add NAME --ae-title {shlex.quote(title)}"
            return (
                f"calling AE title {title} is not among the known peers: "
                f"{command} --host {address} admits it"
            )
        if peer.may_come_from(address):
            bound_to = peer.tls_certificate_sha256
            return certificate_fault(caller.certificate, bound_to) if bound_to else None
        if not peer.has_source:
            return (
                f"{title} is known, but by its host name {peer.host} alone: say with "
                f"precuneus node peers add … --network that it may come from {address}"
            )
        return f"{title} is known, but not from {address}: see precuneus node peers list"

    def _is_ourselves(self, caller: Caller) -> bool:
        address = ip_address_of(caller.address)
        return caller.calling_ae_title == self._own.ae_title and (
            address.is_loopback or address == _address_or_none(self._own.host)
        )

    def _run(self) -> None:
        while not self._stopped.wait(self._pause_s):
            self._refresh()

    def _refresh(self) -> None:
        try:
            with self._engine.connect() as connection:
                peers = {peer.ae_title: peer for peer in list_peers(connection)}
        except Exception as error:
            # Whatever it is: a thread that ended would keep removed peers admitted for ever.
            if not self._is_stale:
                fields = {"action": "peers.stale", "error": type(error).__name__}
                _LOG.warning("known peers cannot be asked for; as they were", extra=fields)
            self._is_stale = True
            return
        self._is_stale = False
        has_changed, self._by_title = peers != self._by_title, peers
        if has_changed:
            self._tell()

    def _tell(self) -> None:
        if self._by_title:
            fields = {"action": "peers.known", "peers": sorted(self._by_title)}
            _LOG.info("known peers alone may associate", extra=fields)
            return
        _LOG.warning(
            "NO PEER IS KNOWN: whoever reaches the node may store, until the first "
            "`precuneus node peers add`",
            extra={"action": "peers.none"},
        )


def _address_or_none(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ip_address_of(host)
    except ValueError:
        return None
