"""What the node tells whoever counts: objects received, stored and refused."""

from typing import Protocol


class NodeObserver(Protocol):
    """Called from many threads at once; must be quick and must not raise."""

    def received(self) -> None:
        """A C-STORE request has arrived whole."""

    def stored(self, seconds: float) -> None:
        """An object was stored and registered, `seconds` after its request had arrived."""

    def refused(self, status: int) -> None:
        """An object was refused with that DIMSE status."""


class SilentObserver:
    """Counts nothing."""

    def received(self) -> None:
        """Nothing to do."""

    def stored(self, seconds: float) -> None:
        """Nothing to do."""

    def refused(self, status: int) -> None:
        """Nothing to do."""
