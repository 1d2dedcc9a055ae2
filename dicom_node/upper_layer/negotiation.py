"""Answers an association request: which contexts, or why not (PS3.8 7.1.1, 9.3.3, 9.3.4).

pynetdicom negotiates and encodes; which SOP classes and syntaxes the node takes is said by
`dicom_node.contexts`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from dicom_node.contexts import accepted_contexts
from dicom_node.meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.uids import is_uid
from dicom_node.upper_layer.pdus import encode_reject
from dicom_node.upper_layer.requests import (
    AssociationProposal,
    AssociationTitles,
    read_proposal,
    read_titles,
)
from dicom_node.upper_layer.services import AcceptedContext
from dicom_node.upper_layer.violations import InvalidParameter

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_MAX_LISTED_CONTEXTS = 8
_ACCEPTED = 0x00


@dataclass(frozen=True)
class Refusal:
    """Why there is no association: the A-ASSOCIATE-RJ's three numbers, and words for a person."""

    result: int
    source: int
    reason: int
    words: str

    def encode(self) -> bytes:
        """The A-ASSOCIATE-RJ PDU."""
        return encode_reject(self.result, self.source, self.reason)


@dataclass(frozen=True)
class Acceptance:
    """An association: the A-ASSOCIATE-AC PDU, its contexts by number, and what was refused."""

    reply: bytes
    contexts: dict[int, AcceptedContext]
    refused: tuple[str, ...]
    refused_count: int
    peer_maximum: int


Admission = Callable[[AssociationTitles], Refusal | None]
"""Whether a peer may associate at all just now: limits, and later the list of known peers."""


def called_title_unknown(called: str, ours: str) -> Refusal:
    """The refusal of a peer that looks for somebody else."""
    return Refusal(1, 1, 7, f"called AE title was {called}, ours is {ours}")


def calling_title_unknown(words: str) -> Refusal:
    """The refusal of a peer that is not known, or cannot prove to be the one it says it is."""
    return Refusal(1, 1, 3, words)


def too_many(words: str) -> Refusal:
    """The refusal for now (transient, by the presentation related provider: local limit)."""
    return Refusal(2, 3, 2, words)


class Negotiator:
    """Answers association requests for one AE title."""

    def __init__(self, ae_title: str, max_pdu: int) -> None:
        self._ae_title = ae_title
        self._max_pdu = max_pdu

    def titles(self, body: bytes) -> AssociationTitles:
        """Who asks, and for whom; raises `InvalidParameter`."""
        return read_titles(body)

    def answer(
        self, body: bytes, titles: AssociationTitles, admission: Admission
    ) -> Acceptance | Refusal:
        """The answer to a request's body.

        Raises:
            InvalidParameter: the request cannot be read.
        """
        if not titles.knows_protocol:
            return Refusal(1, 2, 2, "the peer does not speak version 1 of the protocol")
        if titles.called != self._ae_title:
            return called_title_unknown(titles.called_ae_title, self._ae_title)
        refusal = admission(titles)
        if refusal is not None:
            return refusal
        proposal = read_proposal(body)
        if proposal.application_context != _APPLICATION_CONTEXT:
            return Refusal(1, 1, 2, "the application context is not DICOM's")
        return self._accept(proposal)

    def _accept(self, proposal: AssociationProposal) -> Acceptance:
        try:
            results, roles = negotiate_as_acceptor(
                proposal.contexts, accepted_contexts(proposal.contexts), _roles(proposal.primitive)
            )
            reply = self._encode(proposal.primitive, results, roles)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            kind = type(error).__name__
            raise InvalidParameter(
                f"an association request that cannot be answered ({kind})"
            ) from None
        accepted = [context for context in results if context.result == _ACCEPTED]
        refused = [context for context in proposal.contexts if _is_refused(context, results)]
        return Acceptance(
            reply=reply,
            contexts={int(context.context_id or 0): _accepted(context) for context in accepted},
            refused=tuple(map(_named, refused[:_MAX_LISTED_CONTEXTS])),
            refused_count=len(refused),
            peer_maximum=proposal.maximum_length,
        )

    def _encode(
        self,
        request: A_ASSOCIATE,
        results: list[PresentationContext],
        roles: list[SCP_SCU_RoleSelectionNegotiation],
    ) -> bytes:
        reply = A_ASSOCIATE()
        reply.application_context_name = _APPLICATION_CONTEXT
        reply.calling_ae_title = request.calling_ae_title
        reply.called_ae_title = request.called_ae_title
        reply.result = _ACCEPTED
        reply.presentation_context_definition_results_list = results
        maximum = MaximumLengthNotification()
        maximum.maximum_length_received = self._max_pdu
        class_uid = ImplementationClassUIDNotification()
        class_uid.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        version = ImplementationVersionNameNotification()
        version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        reply.user_information = [maximum, class_uid, version, *roles]
        pdu = A_ASSOCIATE_AC()
        pdu.from_primitive(reply)
        return bytes(pdu.encode())


def _roles(request: A_ASSOCIATE) -> dict[UID, tuple[bool | None, bool | None]]:
    """The roles that the peer proposes, by SOP class."""
    return {
        item.sop_class_uid: (item.scu_role, item.scp_role)
        for item in request.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.sop_class_uid is not None
    }


def _is_refused(context: PresentationContext, results: list[PresentationContext]) -> bool:
    return any(
        result.context_id == context.context_id and result.result != _ACCEPTED for result in results
    )


def _accepted(context: PresentationContext) -> AcceptedContext:
    return AcceptedContext(
        int(context.context_id or 0),
        str(context.abstract_syntax),
        str(context.transfer_syntax[0]),
    )


def _named(context: PresentationContext) -> str:
    """A refused context as "abstract syntax with transfer syntax"."""
    uids = [str(context.abstract_syntax), *map(str, context.transfer_syntax)]
    return " with ".join(uid if is_uid(uid) else "an invalid UID" for uid in uids)
