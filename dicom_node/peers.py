"""What may be said of a peer: its AE title and address, fit for a log line or a database."""

from collections.abc import Callable
from dataclasses import dataclass

from dicom_node.tls.identity import PeerCertificate

MAX_AE_TITLE_LENGTH = 16


@dataclass(frozen=True)
class Caller:
    """Who asks for an association: its calling AE title, cleaned, and the IP address it has.

    `certificate` is what it proved to hold: None over plain TCP, and where none was demanded.
    """

    calling_ae_title: str
    address: str
    certificate: PeerCertificate | None = None


Vetting = Callable[[Caller], str | None]
"""Why a caller may not associate with us, in words for an administrator; None where it may.

Asked by the thread that serves all associations: it must not wait for anything, and not raise.
"""


def anybody(caller: Caller) -> None:
    """The vetting of a node that knows no peers."""


def clean_ae_title(title: str | bytes | None) -> str:
    """An AE title as a peer sent it, cut to 16 printable ASCII characters; "unknown" when empty."""
    text = title.decode("latin-1") if isinstance(title, bytes) else title or ""
    printable = "".join(
        character if character.isascii() and character.isprintable() else "?"
        for character in text.strip(" \0")[:MAX_AE_TITLE_LENGTH]
    )
    return printable.strip() or "unknown"
