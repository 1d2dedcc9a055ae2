"""The conformance statement against a real node: all that it claims, and nothing beyond."""

from collections.abc import Callable, Iterator
from itertools import islice, product

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom import AE, build_role, sop_class
from pynetdicom.pdu_primitives import (
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from dicom_node.commitment import WELL_KNOWN_INSTANCE, ActionRequest, read_request
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.errors import OutOfResources, RefusedByRule
from dicom_node.network.gate import Limits
from dicom_node.receive import Receiver
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.statuses import ActionStatus
from service.conformance.facts import Statement
from service.conformance.statement import default_settings, statement
from tests.integration.dicom_node.conftest import RunningNode
from tests.integration.dicom_node.peer import associated, push
from tests.support.objects import ct_dataset
from tests.support.raw_peers import RawPeer
from tests.unit.dicom_node.samples import EXPLICIT, encoded
from tests.unit.dicom_node.upper_layer.acceptors import MAX_PDU
from tests.unit.dicom_node.upper_layer.test_upper_association import AFTER
from tests.unit.dicom_node.upper_layer.wire import association_request

MAX_CONTEXTS = 128


@pytest.fixture(scope="module")
def claimed() -> Statement:
    return statement(default_settings())


def batches(pairs: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    while batch := list(islice(pairs, MAX_CONTEXTS)):
        yield batch


def accepted(port: int, pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """The (SOP class, transfer syntax) pairs that a real association accepts of these."""
    with associated(port, *((uid, [syntax]) for uid, syntax in pairs)) as association:
        return {
            (str(context.abstract_syntax), str(context.transfer_syntax[0]))
            for context in association.accepted_contexts
        }


def test_every_claimed_pair_is_accepted(running: RunningNode, claimed: Statement) -> None:
    classes = [one.uid for one in claimed.acceptance.sop_classes]
    syntaxes = [one.uid for one in claimed.acceptance.transfer_syntaxes]
    pairs = ((uid, syntax) for syntax, uid in product(syntaxes, classes))
    for batch in batches(pairs):
        assert accepted(running.port, batch) == set(batch)


def test_no_other_pair_is_accepted(running: RunningNode, claimed: Statement) -> None:
    classes = {one.uid for one in claimed.acceptance.sop_classes}
    refused = [one.uid for one in claimed.acceptance.refused_transfer_syntaxes]
    others = {str(uid) for uid in vars(sop_class).values() if isinstance(uid, sop_class.SOPClass)}
    others |= {"1.2.3.4.5"}
    wrong = [(uid, syntax) for syntax, uid in product([*refused, "1.2.3.4"], sorted(classes))]
    wrong += [(uid, EXPLICIT) for uid in sorted(others - classes)]
    assert len(others - classes) > 50
    for batch in batches(iter(wrong)):
        assert accepted(running.port, batch) == set()


def test_the_node_names_itself_as_claimed_and_negotiates_nothing_else(
    running: RunningNode, claimed: Statement
) -> None:
    entity = AE("PEER")
    role = build_role(CTImageStorage, scp_role=True)
    association = entity.associate(
        "127.0.0.1",
        running.port,
        contexts=[build_context(CTImageStorage)],
        ae_title=claimed.product.ae_title,
        ext_neg=[role],
    )
    answer = association.acceptor.primitive
    association.release()
    assert answer is not None
    said = {type(item): item for item in answer.user_information}
    assert set(said) == {
        MaximumLengthNotification,
        ImplementationClassUIDNotification,
        ImplementationVersionNameNotification,
    }
    assert answer.maximum_length_received == claimed.product.maximum_pdu
    class_uid = said[ImplementationClassUIDNotification].implementation_class_uid
    version = said[ImplementationVersionNameNotification].implementation_version_name
    assert class_uid == claimed.product.implementation_class_uid
    assert version == claimed.product.implementation_version_name
    assert answer.application_context_name == claimed.product.application_context


def test_every_claimed_status_of_a_store_can_be_had(
    running: RunningNode, claimed: Statement
) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    had = {push(running.port, whole, CTImageStorage, uid)[0] for uid in ("1.2.3", "1.2.4")}
    had.add(push(running.port, b"noise", CTImageStorage, "1.2.3")[0])
    for failure in (OutOfResources("full"), RefusedByRule("deleted")):
        running.gallery.failure = failure
        had.add(push(running.port, whole, CTImageStorage, "1.2.3")[0])
    assert {f"0x{status:04X}" for status in had} == {c.code for c in claimed.statuses.store}


def test_every_claimed_rejection_can_be_had(
    start_node: Callable[..., RunningNode], claimed: Statement
) -> None:
    other_protocol = bytearray(association_request())
    other_protocol[6:8] = b"\0\2"
    other_context = association_request().replace(b"10008.3.1.1.1", b"10008.3.1.1.2")
    plain = start_node(limits=Limits(associations=1))
    guarded = StorageNode(
        NodeConfig(port=0),
        Receiver(plain.store, plain.gallery),
        vet=lambda caller: "nobody is known",
    )
    guarded.start()
    had = set()
    try:
        for port, request in (
            (plain.port, association_request(called="ARCHIVE")),
            (plain.port, bytes(other_protocol)),
            (plain.port, other_context),
            (guarded.port, association_request()),
        ):
            had.add(rejection(port, request))
        with RawPeer(plain.port) as standing:
            assert standing.associate() == 0x02
            had.add(rejection(plain.port, association_request()))
    finally:
        guarded.stop()
    stated = {(code.result, code.source, code.reason) for code in claimed.statuses.rejects}
    assert had == stated


def rejection(port: int, request: bytes) -> tuple[int, int, int]:
    with RawPeer(port) as peer:
        peer.send(request)
        answer = peer.pdu()
    assert answer is not None
    kind, body = answer
    assert kind == 0x03
    return body[1], body[2], body[3]


def test_every_claimed_abort_can_be_had(
    start_node: Callable[..., RunningNode], claimed: Statement
) -> None:
    running, had = start_node(max_pdu=MAX_PDU), set()
    for data, _ in AFTER.values():
        with RawPeer(running.port) as peer:
            assert peer.associate() == 0x02
            peer.send(data)
            answer = peer.pdu()
        assert answer is not None
        assert answer[0] == 0x07
        had.add((answer[1][2], answer[1][3]))
    assert had == {(code.source, code.reason) for code in claimed.statuses.aborts}


def take(request: ActionRequest) -> None:
    """Takes what can be read, and has a defect where it is told to have one."""
    wanted = read_request(request)
    if wanted.transaction_uid == "1.2.3":
        raise RuntimeError


def information(transaction_uid: str, sop_class_uid: str, count: int = 1) -> Dataset:
    wanted, item = Dataset(), Dataset()
    wanted.TransactionUID = transaction_uid
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, generate_uid()
    wanted.ReferencedSOPSequence = [item] * count
    return wanted


def actions() -> dict[ActionStatus, tuple[Dataset, dict[str, object]]]:
    """Requests, by the status that each is to be answered with."""
    good = information("1.2.4", CTImageStorage)
    other_class = {"class_uid": "1.2.840.10008.1.1", "meta_uid": STORAGE_COMMITMENT}
    return {
        ActionStatus.SUCCESS: (good, {}),
        ActionStatus.PROCESSING_FAILURE: (information("1.2.3", CTImageStorage), {}),
        ActionStatus.NO_SUCH_INSTANCE: (good, {"instance_uid": "1.2.5"}),
        ActionStatus.INVALID_ARGUMENT: (information("1.2.4", "no.uid"), {}),
        ActionStatus.NO_SUCH_CLASS: (good, other_class),
        ActionStatus.MISSING_ATTRIBUTE: (information("1.2.4", CTImageStorage, 0), {}),
        ActionStatus.NO_SUCH_ACTION: (good, {"action_type": 2}),
        ActionStatus.OUT_OF_RESOURCES: (information("1.2.4", "1.2." + "3" * 60, 80_000), {}),
    }


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_every_claimed_status_of_a_commitment_can_be_had(
    running: RunningNode, claimed: Statement
) -> None:
    node = StorageNode(
        NodeConfig(port=0), Receiver(running.store, running.gallery), take_commitment=take
    )
    node.start()
    try:
        had = {status: action(node.port, *asked) for status, asked in actions().items()}
    finally:
        node.stop()
    assert had == {status: status for status in had}
    # Whether a peer is known is asked of the database, which is not here.
    stated = {*had, ActionStatus.NOT_AUTHORISED}
    assert {f"0x{status:04X}" for status in stated} == {c.code for c in claimed.statuses.action}


def action(port: int, wanted: Dataset, changes: dict[str, object]) -> int:
    asked = {
        "dataset": wanted,
        "action_type": 1,
        "class_uid": STORAGE_COMMITMENT,
        "instance_uid": WELL_KNOWN_INSTANCE,
    } | changes
    with associated(port, (STORAGE_COMMITMENT, [EXPLICIT])) as association:
        status, _ = association.send_n_action(**asked)
    return int(status.Status)
