"""How many peers may be connected, associated, or on their way to it.

A connection without an association costs its peer nothing, so there is no refusing of new ones
because of old ones: the oldest gives way, of that address which holds the most.
"""

from collections import Counter
from dataclasses import dataclass

from dicom_node.network.connection import Connection
from dicom_node.upper_layer.association import State
from dicom_node.upper_layer.negotiation import Refusal, too_many


@dataclass(frozen=True)
class Limits:
    """At the same time: associations, those of one address, and connections without one."""

    associations: int = 100
    associations_per_peer: int = 100
    half_open: int = 64


class Gate:
    """The connections of one node."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connections: list[Connection] = []

    def __len__(self) -> int:
        return len(self._connections)

    def all(self) -> tuple[Connection, ...]:
        """Everybody, the oldest first."""
        return tuple(self._connections)

    def enter(self, connection: Connection) -> Connection | None:
        """Count a new connection; returns the one to be dropped in its favour."""
        half_open = [c for c in self._connections if c.association.state is not State.ESTABLISHED]
        self._connections.append(connection)
        if len(half_open) < self._limits.half_open:
            return None
        crowds = Counter(c.address for c in half_open)
        crowd, _ = crowds.most_common(1)[0]
        return next(c for c in half_open if c.address == crowd)

    def leave(self, connection: Connection) -> None:
        """Count a connection no more."""
        self._connections.remove(connection)

    def admit(self, address: str) -> Refusal | None:
        """Why a peer may not associate just now, None when it may."""
        standing = [c for c in self._connections if c.association.state is State.ESTABLISHED]
        if len(standing) >= self._limits.associations:
            return too_many(f"more than {self._limits.associations} associations at a time")
        mine = sum(c.address == address for c in standing)
        if mine >= self._limits.associations_per_peer:
            most = self._limits.associations_per_peer
            return too_many(f"more than {most} associations at a time from one address")
        return None
