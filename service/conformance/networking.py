"""What the node accepts, and what we propose to others: read from the code that does it."""

import re
from collections.abc import Iterable

from pydicom.uid import UID
from pynetdicom import sop_class

from dicom_node.acting import MAX_REQUEST_BYTES as MAX_ACTION_BYTES
from dicom_node.acting import MAX_WAITING_BYTES
from dicom_node.commitment import MAX_REFERENCES
from dicom_node.contexts import (
    ABSTRACT_SYNTAXES,
    IMPLICIT_VR_LITTLE_ENDIAN,
    REFUSED_TRANSFER_SYNTAXES,
    STORAGE_COMMITMENT,
    TRANSFER_SYNTAXES,
    VERIFICATION,
)
from dicom_node.requesting.associating import ANSWER_TIMEOUT_S, MAX_PDU, TIMEOUT_S
from dicom_node.requesting.finding import QUERY_LEVELS, STUDY_ROOT_FIND, UNCOMPRESSED
from dicom_node.requesting.reporting import REPORT_TIMEOUT_S
from dicom_node.requesting.retrieving import (
    COMPRESSED,
    RETRIEVE_KEYS,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    USUAL_CLASSES,
)
from dicom_node.scp import NodeConfig
from dicom_node.upper_layer.command_set import MAX_COMMAND_BYTES
from dicom_node.upper_layer.requests import MAX_REQUEST_BYTES
from service.commitment import queue
from service.conformance.facts import (
    Acceptance,
    Activity,
    Commitment,
    Named,
    Parameter,
    ProposedContext,
    QueryKeys,
    RetrieveKeys,
)

_WORD_STARTS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_KIB, _MIB = 1 << 10, 1 << 20


def named(uid: str) -> Named:
    """A UID with its name in PS3.6; pynetdicom's where pydicom's dictionary is older."""
    known = UID(uid)
    if known.name == uid:
        keywords = {str(value): word for word, value in vars(sop_class).items() if value == uid}
        return Named(uid, _WORD_STARTS.sub(" ", keywords.get(uid, uid)))
    return Named(uid, f"{known.name} (retired)" if known.is_retired else known.name)


def _all_named(uids: Iterable[str]) -> tuple[Named, ...]:
    return tuple(map(named, uids))


def _by_number(uids: Iterable[str]) -> list[str]:
    return sorted(uids, key=lambda uid: [int(part) for part in uid.split(".")])


def acceptance(node: NodeConfig) -> Acceptance:
    """What a peer may negotiate with a node so configured, and within which bounds."""
    return Acceptance(
        sop_classes=_all_named(_by_number(ABSTRACT_SYNTAXES)),
        transfer_syntaxes=_all_named(_by_number(TRANSFER_SYNTAXES)),
        refused_transfer_syntaxes=_all_named(_by_number(REFUSED_TRANSFER_SYNTAXES)),
        limits=_limits(node),
        timers=_timers(node),
    )


def _setting(field: str) -> str:
    return f"PRECUNEUS_DICOM__{field.upper()}"


def _limits(node: NodeConfig) -> tuple[Parameter, ...]:
    most, storage = node.limits, node.storage
    free = f"{storage.free_bytes // _MIB} MiB" if storage.free_bytes else "any"
    return (
        Parameter("Associations", f"{most.associations}", _setting("maximum_associations")),
        Parameter(
            "Associations from one address",
            f"{most.associations_per_peer}",
            _setting("maximum_associations_per_peer"),
        ),
        Parameter(
            "Connections without an association",
            f"{most.half_open}, then the oldest is dropped",
            _setting("maximum_half_open"),
        ),
        Parameter("Outstanding asynchronous operations", "1 (not negotiated)"),
        Parameter("PDU received", f"{node.max_pdu} bytes", _setting("maximum_pdu_bytes")),
        Parameter("Association request", f"{MAX_REQUEST_BYTES // _KIB} KiB"),
        Parameter("Command set", f"{MAX_COMMAND_BYTES // _KIB} KiB"),
        Parameter("Object", f"{storage.object_bytes // _MIB} MiB", _setting("maximum_object_mb")),
        Parameter("Free space kept on the objects' disk", free, _setting("free_space_mb")),
    )


def _timers(node: NodeConfig) -> tuple[Parameter, ...]:
    given = node.deadlines
    return (
        Parameter(
            "From connecting to the whole association request",
            f"{given.request_s:g} s",
            _setting("request_timeout_s"),
        ),
        Parameter("Between two PDUs", f"{given.idle_s:g} s", _setting("idle_timeout_s")),
        Parameter(
            "From a PDU's first byte to its last", f"{given.pdu_s:g} s", _setting("pdu_timeout_s")
        ),
        Parameter(
            "Slowest message",
            f"{given.minimum_rate} bytes/s over {given.pdu_s:g} s",
            _setting("minimum_rate"),
        ),
        Parameter(
            "For the peer to read our answers", f"{given.send_s:g} s", _setting("send_timeout_s")
        ),
        Parameter(
            "ARTIM: for the peer to close after our last word",
            f"{given.close_s:g} s",
            _setting("close_timeout_s"),
        ),
    )


def requestor_limits() -> tuple[Parameter, ...]:
    """How long we wait for the peers that we call, and what we take of them."""
    return (
        Parameter("For the connection, and for the association's acceptance", f"{TIMEOUT_S:g} s"),
        Parameter("For each answer to C-ECHO", f"{TIMEOUT_S:g} s"),
        Parameter("For each answer to C-FIND, C-MOVE and C-GET", f"{ANSWER_TIMEOUT_S:g} s"),
        Parameter("For each step of an N-EVENT-REPORT", f"{REPORT_TIMEOUT_S:g} s"),
        Parameter("PDU received", f"{MAX_PDU} bytes"),
    )


def activities() -> tuple[Activity, ...]:
    """Every association that we open, with what is proposed in it."""
    plain = _all_named(UNCOMPRESSED)
    find, move, get = (
        ProposedContext((named(uid),), plain, "SCU")
        for uid in (STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET)
    )
    echo = ProposedContext((named(VERIFICATION),), (named(IMPLICIT_VR_LITTLE_ENDIAN),), "SCU")
    usual = _all_named(USUAL_CLASSES)
    stores = [ProposedContext(usual, plain, "SCP")]
    stores += [ProposedContext(usual, (named(uid),), "SCP") for uid in COMPRESSED]
    report = ProposedContext((named(STORAGE_COMMITMENT),), plain, "SCP")
    return (
        Activity("C-ECHO", "an operator asks, or a pull begins", (echo,), TIMEOUT_S),
        Activity("C-FIND", "an operator pulls or reconciles", (find,), ANSWER_TIMEOUT_S),
        Activity("C-MOVE or C-GET", "a pull looks which of them it can use", (move, get), None),
        Activity("C-MOVE", "a pull fetches", (move,), ANSWER_TIMEOUT_S),
        Activity("C-GET", "a pull fetches", (get, *stores), ANSWER_TIMEOUT_S),
        Activity(
            "N-EVENT-REPORT", "the result of a storage commitment", (report,), REPORT_TIMEOUT_S
        ),
    )


def queries() -> tuple[QueryKeys, ...]:
    """What C-FIND asks, by level."""
    return tuple(QueryKeys(level.level, level.matching, level.returned) for level in QUERY_LEVELS)


def retrievals() -> tuple[RetrieveKeys, ...]:
    """What C-MOVE and C-GET ask for, by level."""
    return tuple(RetrieveKeys(level, keys) for level, keys in RETRIEVE_KEYS.items())


def commitment() -> Commitment:
    """The bounds of storage commitment."""
    return Commitment(
        limits=(
            Parameter("Objects in a request", f"{MAX_REFERENCES}"),
            Parameter("Action Information", f"{MAX_ACTION_BYTES // _MIB} MiB"),
            Parameter(
                "Action Information of all peers at a time", f"{MAX_WAITING_BYTES >> 20} MiB"
            ),
        ),
        attempts=queue.MAXIMUM_ATTEMPTS,
        first_pause_s=queue.FIRST_PAUSE_S,
        longest_pause_s=queue.LONGEST_PAUSE_S,
    )
