"""Known peers: the DICOM nodes that we ask, and that may ask something of us.

A peer is told by its calling AE title, which is why two cannot share one. Nothing here opens a
connection to a peer.
"""

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from dicom_node.peers import MAX_AE_TITLE_LENGTH
from dicom_node.requesting.address import PeerAddress
from dicom_node.tls.files import TlsFiles
from service.calling import peer_tls
from service.db.node_tables import peer
from service.errors import InvalidParameter, PeerUnknown

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_MAXIMUM_NAME = 64


@dataclass(frozen=True)
class Peer:
    """A known DICOM node; `tls` says that we call it over TLS.

    `networks` are the CIDR networks it may connect from; empty: its own address alone.
    `tls_certificate_sha256` is the fingerprint of its certificate, 64 hexadecimal digits; it then
    counts whichever side calls.
    """

    name: str
    ae_title: str
    host: str
    port: int
    networks: tuple[str, ...] = ()
    tls_certificate_sha256: str | None = None
    added_at: datetime | None = None
    tls: bool = False

    def address(self, calling_ae_title: str, files: TlsFiles | None = None) -> PeerAddress:
        """Where and under which titles it is asked; `files` are our own for TLS.

        Raises:
            TlsFilesUnusable: it is called over TLS, and they are missing or wrong.
        """
        bound_to = self.tls_certificate_sha256
        tls = peer_tls(files, self.host, bound_to) if self.tls else None
        return PeerAddress(self.host, self.port, self.ae_title, calling_ae_title, tls)

    @property
    def has_source(self) -> bool:
        """Whether it is said from where it may come: by networks, or by its host's address."""
        return bool(self.networks) or self.may_come_from(self.host)

    def may_come_from(self, address: str) -> bool:
        """Whether a connection from that IP address can be the peer's.

        Without networks its `host` decides, which must then be written as an address.
        """
        try:
            came_from = ip_address_of(address)
            allowed = [ipaddress.ip_network(network) for network in self.networks or (self.host,)]
        except ValueError:
            return False
        return any(came_from in network for network in allowed)


def ip_address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IP address; an IPv4 address that IPv6 carries is itself. Raises ValueError."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def add_peer(connection: Connection, added: Peer) -> None:
    """Remember a peer, or change the one of that name.

    Raises:
        InvalidParameter: a value is out of range, or another peer has the AE title.
    """
    values = _checked(added)
    taken = connection.scalar(
        select(peer.c.name).where(peer.c.ae_title == added.ae_title, peer.c.name != added.name)
    )
    if taken is not None:
        raise InvalidParameter(
            f"The peer {taken} has the AE title {added.ae_title}; an incoming peer is told by it."
        )
    statement = insert(peer).values(name=added.name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[peer.c.name], set_=values))


def _checked(added: Peer) -> dict[str, object]:
    name, fingerprint = added.name, added.tls_certificate_sha256
    if not name.strip() or len(name) > _MAXIMUM_NAME or not name.isprintable():
        raise InvalidParameter(f"A peer's name has 1 to {_MAXIMUM_NAME} printable characters.")
    if not is_ae_title(added.ae_title):
        raise InvalidParameter(
            "An AE title is 1 to 16 printable ASCII characters without backslash."
        )
    if not added.host.strip() or not added.host.isprintable():
        raise InvalidParameter("A peer needs a host name or an address.")
    if not 1 <= added.port <= 65535:
        raise InvalidParameter("A port lies between 1 and 65535.")
    if fingerprint is not None:
        fingerprint = fingerprint.replace(":", "").lower()
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise InvalidParameter("A certificate's SHA-256 has 64 hexadecimal digits.")
    return {
        "ae_title": added.ae_title,
        "host": added.host.strip(),
        "port": added.port,
        "networks": [_network(text) for text in added.networks],
        "tls_certificate_sha256": fingerprint,
        "tls": added.tls,
    }


def is_ae_title(text: str) -> bool:
    """Whether `text` can be an AE title (PS3.5 6.2), without blanks around it."""
    return (
        0 < len(text) <= MAX_AE_TITLE_LENGTH
        and text == text.strip()
        and text.isascii()
        and text.isprintable()
        and "\\" not in text
    )


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError as error:
        raise InvalidParameter(f"{text} is no network such as 10.1.0.0/16: {error}.") from None


def remove_peer(connection: Connection, name: str) -> None:
    """Forget a peer, with what waits to be told to it.

    Raises:
        PeerUnknown: there is none of that name.
    """
    if connection.execute(delete(peer).where(peer.c.name == name)).rowcount == 0:
        raise _unknown(name)


def list_peers(connection: Connection) -> list[Peer]:
    """All peers, by name."""
    return [_peer(row) for row in connection.execute(select(peer).order_by(peer.c.name))]


def find_peer(connection: Connection, name: str) -> Peer:
    """The peer of that name, or of that AE title.

    Raises:
        PeerUnknown: there is none.
    """
    named = select(peer).where(or_(peer.c.name == name, peer.c.ae_title == name))
    row = connection.execute(named.order_by(peer.c.name != name).limit(1)).one_or_none()
    if row is None:
        raise _unknown(name)
    return _peer(row)


def peer_calling(connection: Connection, calling_ae_title: str) -> Peer | None:
    """The known peer that calls itself so."""
    row = connection.execute(select(peer).where(peer.c.ae_title == calling_ae_title)).one_or_none()
    return None if row is None else _peer(row)


def _unknown(name: str) -> PeerUnknown:
    return PeerUnknown(f"No peer {name} is known: see `precuneus node peers list`.")


def _peer(row: Row[*tuple[object, ...]]) -> Peer:
    values = dict(row._mapping)
    values.pop("peer_id")
    return Peer(**values | {"networks": tuple(values["networks"])})
