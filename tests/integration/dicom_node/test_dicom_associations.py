import logging
import socket
import threading
import time
from collections.abc import Callable

import pytest
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
)

from dicom_node.contexts import VERIFICATION
from dicom_node.network.deadlines import Deadlines
from dicom_node.network.gate import Limits
from dicom_node.observer import AssociationEvent, AssociationStage
from dicom_node.receive import ReceivedObject, Receiver, Registration
from dicom_node.scp import NodeConfig, StorageNode
from tests.integration.dicom_node.conftest import Counter, RunningNode
from tests.integration.dicom_node.peer import associated, push, send_raw, store
from tests.support.objects import ct_dataset
from tests.support.waiting import eventually
from tests.unit.dicom_node.samples import EXPLICIT, encoded

STORE_CT = (CTImageStorage, [EXPLICIT])


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[dict[str, object]]]:
    """The fields of the node's log lines with a given action."""
    caplog.set_level(logging.INFO, "precuneus.node")

    def lines(action: str) -> list[dict[str, object]]:
        found = [vars(record) for record in caplog.records]
        return [fields for fields in found if fields.get("action") == action]

    return lines


def test_a_wrong_called_title_is_rejected_and_the_log_says_why(
    running: RunningNode, log: Callable[[str], list[dict[str, object]]]
) -> None:
    with associated(running.port, STORE_CT, called="ARCHIVE") as association:
        assert association.is_rejected
    (line,) = log("association.rejected")
    assert line["reason"] == "called AE title was ARCHIVE, ours is PRECUNEUS"
    assert line["calling_ae_title"] == "PEER"
    assert line["peer"] == "127.0.0.1"


def test_the_title_is_a_setting(start_node: Callable[..., RunningNode]) -> None:
    running = start_node(ae_title="BRAINS")
    with associated(running.port, STORE_CT, called="BRAINS") as association:
        assert association.is_established


def test_each_context_is_accepted_in_the_peers_first_syntax(running: RunningNode) -> None:
    contexts = (
        (CTImageStorage, [JPEG2000Lossless, ExplicitVRLittleEndian]),
        (MRImageStorage, [RLELossless]),
        (MRImageStorage, [ImplicitVRLittleEndian]),
        (VERIFICATION, [ImplicitVRLittleEndian]),
    )
    with associated(running.port, *contexts) as association:
        accepted = [
            (str(context.abstract_syntax), str(context.transfer_syntax[0]))
            for context in association.accepted_contexts
        ]
    assert accepted == [(abstract, str(syntaxes[0])) for abstract, syntaxes in contexts]


def test_a_deflated_object_is_not_negotiated_and_the_log_names_it(
    running: RunningNode, log: Callable[[str], list[dict[str, object]]]
) -> None:
    deflated = (MRImageStorage, [str(DeflatedExplicitVRLittleEndian)])
    with associated(running.port, STORE_CT, deflated) as association:
        assert len(association.accepted_contexts) == 1
    (line,) = log("association.accepted")
    assert line["refused"] == [f"{MRImageStorage} with {DeflatedExplicitVRLittleEndian}"]


def test_one_association_too_many_is_rejected(
    start_node: Callable[..., RunningNode], log: Callable[[str], list[dict[str, object]]]
) -> None:
    running = start_node(limits=Limits(associations=2))
    with (
        associated(running.port, STORE_CT) as first,
        associated(running.port, STORE_CT) as second,
        associated(running.port, STORE_CT) as third,
    ):
        assert (first.is_established, second.is_established) == (True, True)
        assert third.is_rejected
    (line,) = log("association.rejected")
    assert line["reason"] == "more than 2 associations at a time"


def test_the_maximum_pdu_is_announced(start_node: Callable[..., RunningNode]) -> None:
    running = start_node(max_pdu=1 << 18)
    with associated(running.port, STORE_CT) as association:
        assert association.acceptor.maximum_length == 1 << 18


def test_a_silent_connection_is_given_up(start_node: Callable[..., RunningNode]) -> None:
    running = start_node(deadlines=Deadlines(request_s=0.3))
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as connection:
        assert connection.recv(1) == b""


def test_an_unfinished_pdu_is_given_up(start_node: Callable[..., RunningNode]) -> None:
    running = start_node(deadlines=Deadlines(pdu_s=0.5))
    with associated(running.port, STORE_CT) as association:
        send_raw(association, b"\x04\0\0\0\x10\0only the beginning")
        association.join(timeout=30)
        assert not association.is_alive()
    assert (
        push(running.port, encoded(ct_dataset(sop_instance_uid="1.2.3")), CTImageStorage, "1.2.3")[
            0
        ]
        == 0x0000
    )


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"\0" * 500, b""])
def test_what_is_no_dicom_peer_keeps_no_real_one_out(
    start_node: Callable[..., RunningNode], noise: bytes
) -> None:
    running = start_node(limits=Limits(associations=3))
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(noise)
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    assert push(running.port, whole, CTImageStorage, "1.2.3")[0] == 0x0000


def test_stopping_lets_a_running_object_finish(start_node: Callable[..., RunningNode]) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def register_slowly(received: ReceivedObject) -> Registration:
        entered.set()
        assert go_on.wait(30)
        return Registration.STORED

    running = start_node(register=register_slowly)
    port = running.port
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    answers: list[int] = []
    sender = threading.Thread(
        target=lambda: answers.append(push(port, whole, CTImageStorage, "1.2.3")[0])
    )
    sender.start()
    assert entered.wait(30)
    stopper = threading.Thread(target=running.node.stop, args=(30,))
    stopper.start()
    while is_listening(port):
        time.sleep(0.01)
    go_on.set()
    stopper.join(30)
    sender.join(30)
    assert answers == [0x0000]
    assert not stopper.is_alive()


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=30).close()
    except OSError:
        return False
    return True


def test_stopping_aborts_those_who_stay(
    running: RunningNode, log: Callable[[str], list[dict[str, object]]]
) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    with associated(running.port, STORE_CT) as association:
        assert store(association, whole, CTImageStorage, "1.2.3")[0] == 0x0000
        running.node.stop(drain_s=0.1)
        association.join(timeout=30)
        assert association.is_aborted
    assert log("association.aborted")
    assert log("node.stopped")


def test_stopping_twice_or_before_the_start_is_nothing(running: RunningNode) -> None:
    running.node.stop()
    running.node.stop()


def test_a_taken_port_is_told(running: RunningNode, start_node: Callable[..., RunningNode]) -> None:
    second = StorageNode(NodeConfig(port=running.port), Receiver(running.store, running.gallery))
    with pytest.raises(OSError, match="in use"):
        second.start()


def test_nobody_waits_for_the_record_of_a_release(
    start_node: Callable[..., RunningNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, recorded = threading.Event(), list[bool]()

    def record(_counter: Counter, event: AssociationEvent) -> None:
        if event.stage is AssociationStage.RELEASED:
            recorded.append(heard.wait(5))

    monkeypatch.setattr(Counter, "association", record)
    running = start_node()
    with associated(running.port, STORE_CT) as association:
        association.release()
        assert association.is_released
        heard.set()
    eventually(lambda: bool(recorded), "the release is recorded")
    assert recorded == [True]
