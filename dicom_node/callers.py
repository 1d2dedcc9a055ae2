"""Who asks for an association, as far as it is known before any of it is granted.

A list of known peers judges by this; that list lives elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dicom_node.tls.identity import PeerCertificate


@dataclass(frozen=True)
class Caller:
    """A peer at the moment of its association request.

    `address` is its IP address, `certificate` what it proved to hold: None over plain TCP, and for
    a peer that was not asked. AE titles are fit for a log line.
    """

    address: str
    calling_ae_title: str
    called_ae_title: str
    certificate: PeerCertificate | None = None


Judge = Callable[[Caller], str | None]
"""Why a caller may not associate, in words for an administrator; None when it may."""


def admit_all(caller: Caller) -> str | None:
    """The judge of a node that knows no peers."""
    return None
