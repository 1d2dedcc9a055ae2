"""Reads an A-ASSOCIATE-RQ (PS3.8 9.3.2): bounded by us, decoded by pynetdicom.

The bounds come first. What pynetdicom does with an item list is quadratic in places, and a request
of some hundred kilobytes could occupy it for minutes.
"""

import struct
from dataclasses import dataclass

from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from dicom_node.peers import clean_ae_title
from dicom_node.upper_layer.pdus import ASSOCIATE_RQ, HEADER
from dicom_node.upper_layer.violations import InvalidParameter

MAX_REQUEST_BYTES = 1 << 18
_FIXED_BYTES = 68
_MAX_ITEMS = 256
_MAX_SUB_ITEMS = 256
_MAX_ALL_SUB_ITEMS = 8192
_ITEM = struct.Struct(">BxH")
_CONTEXT, _USER_INFORMATION = 0x20, 0x50
# Where the sub-items of these items begin.
_NESTED = {_CONTEXT: 4, _USER_INFORMATION: 0}


@dataclass(frozen=True)
class AssociationTitles:
    """The fixed part of a request; titles without padding, those of `..._ae_title` fit for a log.

    `called` is the called AE title as it was sent, to be compared with ours.
    """

    calling_ae_title: str
    called_ae_title: str
    called: str
    knows_protocol: bool


@dataclass(frozen=True)
class AssociationProposal:
    """The variable part of a request."""

    primitive: A_ASSOCIATE
    application_context: str
    contexts: list[PresentationContext]
    maximum_length: int


def read_titles(body: bytes) -> AssociationTitles:
    """Who asks whom, which can be answered before anything else is decoded.

    Raises:
        InvalidParameter: the request is too short to say.
    """
    if len(body) < _FIXED_BYTES:
        raise InvalidParameter("an association request that is cut off")
    return AssociationTitles(
        calling_ae_title=clean_ae_title(body[20:36]),
        called_ae_title=clean_ae_title(body[4:20]),
        called=body[4:20].decode("latin-1").strip(" \0"),
        knows_protocol=bool(body[1] & 1),
    )


def read_proposal(body: bytes) -> AssociationProposal:
    """What a request proposes.

    Raises:
        InvalidParameter: its items are malformed, or more than anybody needs.
    """
    _check_items(body)
    request = A_ASSOCIATE_RQ()
    try:
        request.decode(HEADER.pack(ASSOCIATE_RQ, len(body)) + body)
        primitive = request.to_primitive()
        contexts = primitive.presentation_context_definition_list
        if any(not context.transfer_syntax for context in contexts):
            raise InvalidParameter("a presentation context without a transfer syntax")
        if len({context.context_id for context in contexts}) < len(contexts):
            raise InvalidParameter("two presentation contexts with the same number")
        return AssociationProposal(
            primitive,
            str(request.application_context_name or "").strip(" \0"),
            contexts,
            int(primitive.maximum_length_received or 0),
        )
    except (MemoryError, InvalidParameter):
        raise
    except Exception as error:
        # pynetdicom meets malformed items with half a dozen kinds of error.
        kind = type(error).__name__
        raise InvalidParameter(f"an association request that cannot be read ({kind})") from None


def _check_items(body: bytes) -> None:
    """Walk items and sub-items, and refuse what does not add up or is too much."""
    items = _lengths(body, _FIXED_BYTES, len(body))
    if len(items) > _MAX_ITEMS:
        raise InvalidParameter("an association request with too many items")
    in_all = 0
    for kind, start, end in items:
        if kind in _NESTED:
            sub_items = len(_lengths(body, start + _NESTED[kind], end))
            in_all += sub_items
            if sub_items > _MAX_SUB_ITEMS or in_all > _MAX_ALL_SUB_ITEMS:
                raise InvalidParameter("an association request with too many sub-items")


def _lengths(body: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """(type, start, end) of each item's value between two places."""
    found = []
    while start < end:
        if end - start < _ITEM.size:
            raise InvalidParameter("an association request with an item that is cut off")
        kind, length = _ITEM.unpack_from(body, start)
        start += _ITEM.size
        if length > end - start:
            raise InvalidParameter("an association request with an item that is cut off")
        found.append((kind, start, start + length))
        start += length
    if start > end:
        raise InvalidParameter("an association request with an item that is cut off")
    return found
