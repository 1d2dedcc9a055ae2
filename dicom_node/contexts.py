"""Decides which presentation contexts the node accepts (PS3.8 9.3.2).

Everything that pynetdicom knows how to store, in the peer's own order of transfer syntaxes: what it
holds comes first, so nothing is transcoded without need.
"""

from collections.abc import Iterable

from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.presentation import PresentationContext, build_context

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"

# A deflated object may be a bomb, and a JPIP-referenced one has its pixels on another server.
REFUSED_TRANSFER_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
        "1.2.840.10008.1.2.8.1",  # Deflated Image Frame Compression
        "1.2.840.10008.1.2.4.94",  # JPIP Referenced
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.204",  # JPIP HTJ2K Referenced
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
    }
)
TRANSFER_SYNTAXES = frozenset(map(str, ALL_TRANSFER_SYNTAXES)) - REFUSED_TRANSFER_SYNTAXES
STORAGE_SOP_CLASSES = frozenset(
    str(context.abstract_syntax) for context in AllStoragePresentationContexts
)
ABSTRACT_SYNTAXES = STORAGE_SOP_CLASSES | {VERIFICATION, STORAGE_COMMITMENT}


def accepted_contexts(proposed: Iterable[PresentationContext]) -> list[PresentationContext]:
    """The contexts to negotiate one association with, made from what its peer proposes.

    pynetdicom lets the acceptor's order of transfer syntaxes win and knows one context for each
    abstract syntax. So every proposed abstract syntax that the node takes gets one, with all that
    the peer offers for it in any of its contexts, in the peer's order.
    """
    offered: dict[str, dict[str, None]] = {}
    for context in proposed:
        abstract_syntax = str(context.abstract_syntax)
        if abstract_syntax in ABSTRACT_SYNTAXES:
            taken = (str(uid) for uid in context.transfer_syntax if uid in TRANSFER_SYNTAXES)
            offered.setdefault(abstract_syntax, {}).update(dict.fromkeys(taken))
    return [
        build_context(abstract_syntax, list(syntaxes))
        for abstract_syntax, syntaxes in offered.items()
        if syntaxes
    ]
