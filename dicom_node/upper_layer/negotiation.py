"""Answers an association request: which contexts, or why not (PS3.8 7.1.1, 9.3.3, 9.3.4).

pynetdicom negotiates and encodes; which SOP classes and syntaxes the node takes is said by
`dicom_node.contexts`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

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
from dicom_node.upper_layer.rejections import Rejection
from dicom_node.upper_layer.requests import (
    AssociationProposal,
    AssociationTitles,
    read_proposal,
    read_titles,
)
from dicom_node.upper_layer.services import AcceptedContext
from dicom_node.upper_layer.violations import InvalidParameter

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_MAX_LISTED_CONTEXTS = 8
_ACCEPTED = 0x00
# Bodies by strangers are kept, so neither many nor large ones.
_MAX_KNOWN, _MAX_KNOWN_BYTES = 64, 1 << 14


@dataclass(frozen=True)
class Refusal:
    """Why there is no association: for the peer, and in words for a person."""

    rejection: Rejection
    words: str

    def encode(self) -> bytes:
        """The A-ASSOCIATE-RJ PDU."""
        because = self.rejection
        return encode_reject(because.result, because.source, because.reason)


@dataclass(frozen=True)
class Acceptance:
    """An association: the A-ASSOCIATE-AC PDU, its contexts by number, and what was refused."""

    reply: bytes
    contexts: Mapping[int, AcceptedContext]
    refused: tuple[str, ...]
    refused_count: int
    peer_maximum: int


Admission = Callable[[AssociationTitles], Refusal | None]
"""Whether a peer may associate at all just now: whether it is known, and limits."""


def called_title_unknown(called: str, ours: str) -> Refusal:
    """The refusal of a peer that looks for somebody else."""
    return Refusal(Rejection.CALLED_AE_TITLE, f"called AE title was {called}, ours is {ours}")


def caller_unknown(words: str) -> Refusal:
    """The refusal of a peer that is not known (calling AE title not recognised)."""
    return Refusal(Rejection.CALLING_AE_TITLE, words)


def too_many(words: str) -> Refusal:
    """The refusal for now (transient, by the presentation related provider: local limit)."""
    return Refusal(Rejection.LOCAL_LIMIT, words)


class Negotiator:
    """Answers association requests for one AE title."""

    def __init__(self, ae_title: str, max_pdu: int) -> None:
        self._ae_title = ae_title
        self._max_pdu = max_pdu
        # Peers ask for the same again and again, and the answer depends on nothing else.
        self._known_answer = lru_cache(maxsize=_MAX_KNOWN)(self._agree)

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
            words = "the peer does not speak version 1 of the protocol"
            return Refusal(Rejection.PROTOCOL_VERSION, words)
        if titles.called != self._ae_title:
            return called_title_unknown(titles.called_ae_title, self._ae_title)
        refusal = admission(titles)
        if refusal is not None:
            return refusal
        return self._known_answer(body) if len(body) <= _MAX_KNOWN_BYTES else self._agree(body)

    def _agree(self, body: bytes) -> Acceptance | Refusal:
        proposal = read_proposal(body)
        if proposal.application_context != APPLICATION_CONTEXT:
            words = "the application context is not DICOM's"
            return Refusal(Rejection.APPLICATION_CONTEXT, words)
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
        reply.application_context_name = APPLICATION_CONTEXT
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
