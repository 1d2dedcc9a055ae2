import struct

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.upper_layer.association import Ending, State
from dicom_node.upper_layer.command_set import STATUS, parse_command
from dicom_node.upper_layer.negotiation import too_many
from dicom_node.upper_layer.services import Response
from tests.unit.dicom_node.upper_layer.acceptors import MAX_PDU, Acceptor
from tests.unit.dicom_node.upper_layer.wire import (
    ABORT,
    C_ECHO_RQ,
    C_STORE_RQ,
    COMMAND,
    DATASET,
    LAST,
    RELEASE,
    association_request,
    command,
    element,
    p_data,
    pdu,
    store_message,
    value,
)

PROVIDER, USER = 2, 0


def aborts(sent: bytes) -> list[tuple[int, int]]:
    """(source, reason) of each A-ABORT in what was sent."""
    found = []
    while sent:
        kind, length = struct.unpack(">BxL", sent[:6])
        if kind == 0x07:
            found.append((sent[8], sent[9]))
        sent = sent[6 + length :]
    return found


def established(**options: bool) -> Acceptor:
    acceptor = Acceptor(**options)
    assert acceptor.feed(association_request())[0] == 0x02
    assert acceptor.association.state is State.ESTABLISHED
    return acceptor


def statuses(sent: bytes) -> list[int]:
    """The statuses of the responses in P-DATA-TF PDUs of one whole value each."""
    found = []
    while sent:
        kind, length = struct.unpack(">BxL", sent[:6])
        if kind == 0x04:
            found.append(parse_command(sent[12 : 6 + length]).number(STATUS))
        sent = sent[6 + length :]
    return found


def test_a_store_is_handed_on_whole_and_answered() -> None:
    acceptor = established()
    dataset = bytes(range(256)) * 500
    sent = acceptor.feed(store_message(dataset))
    (operation,) = acceptor.operations
    assert operation.dataset == dataset
    assert operation.request.context.transfer_syntax == ExplicitVRLittleEndian
    assert operation.request.calling_ae_title == "PEER"
    assert statuses(sent) == [0x0000]
    assert acceptor.association.answered == {0x0000: 1}
    assert acceptor.feed(RELEASE) == pdu(0x06, b"\0" * 4)
    assert acceptor.association.ending is Ending.RELEASED


def test_several_values_in_one_pdu_are_as_good() -> None:
    acceptor = established()
    body = value(command(C_STORE_RQ), COMMAND | LAST) + value(b"data", DATASET)
    sent = acceptor.feed(pdu(0x04, body + value(b"set!", DATASET | LAST)))
    assert acceptor.operations[0].dataset == b"dataset!"
    assert statuses(sent) == [0]


def test_nothing_is_read_before_the_answer() -> None:
    acceptor = established(at_once=False)
    stream = memoryview(store_message(b"ab") + store_message(b"cd"))
    used = acceptor.association.receive(stream)
    assert used == len(stream) // 2
    assert acceptor.association.is_answering
    answer = acceptor.operations[0].answer
    assert answer is not None
    answer(Response(0xA700, "no room"))
    assert statuses(acceptor.association.take_outgoing()) == [0xA700]
    assert acceptor.association.receive(stream[used:]) == used
    assert [kept.dataset for kept in acceptor.operations] == [b"ab", b"cd"]


def test_an_echo_and_an_unknown_request_are_answered() -> None:
    acceptor = established()
    assert statuses(acceptor.feed(p_data(command(C_ECHO_RQ), COMMAND | LAST))) == [0]
    find = p_data(command(0x0020), COMMAND | LAST) + p_data(b"identifier", DATASET | LAST)
    assert statuses(acceptor.feed(find)) == [0x0211]
    cancel = command(0x0FFF, message_id=None, data_set_type=0x0101)
    assert acceptor.feed(p_data(cancel, COMMAND | LAST)) == b""
    assert acceptor.association.state is State.ESTABLISHED


def test_responses_are_cut_to_what_the_peer_takes() -> None:
    acceptor = established()
    assert acceptor.association.acceptance is not None
    object.__setattr__(acceptor.association.acceptance, "peer_maximum", 20)
    sent = acceptor.feed(store_message(b"ab"))
    lengths, whole = [], b""
    while sent:
        _, length = struct.unpack(">BxL", sent[:6])
        lengths.append(length)
        whole += sent[12 : 6 + length]
        sent = sent[6 + length :]
    assert max(lengths) <= 20
    assert parse_command(whole).number(STATUS) == 0


@pytest.mark.parametrize(
    ("called", "reason"), [("ARCHIVE", (1, 1, 7)), ("", (1, 1, 7)), ("PRECUNEUSX", (1, 1, 7))]
)
def test_another_title_is_rejected(called: str, reason: tuple[int, int, int]) -> None:
    acceptor = Acceptor()
    request = bytearray(association_request())
    request[10:26] = called.ljust(16).encode()
    sent = acceptor.feed(bytes(request))
    assert sent[0] == 0x03
    assert tuple(sent[7:10]) == reason
    assert acceptor.association.ending is Ending.REJECTED
    assert "ours is PRECUNEUS" in acceptor.association.end_reason


def test_a_peer_that_is_not_admitted_hears_the_admissions_reason() -> None:
    acceptor = Acceptor(refusal=too_many("too many"))
    assert tuple(acceptor.feed(association_request())[7:10]) == (2, 3, 2)
    assert acceptor.association.end_reason == "too many"


def test_other_protocols_and_other_applications_are_rejected() -> None:
    request = bytearray(association_request())
    request[6:8] = b"\0\2"
    assert tuple(Acceptor().feed(bytes(request))[7:10]) == (1, 2, 2)
    other = association_request().replace(b"10008.3.1.1.1", b"10008.3.1.1.2")
    assert tuple(Acceptor().feed(other)[7:10]) == (1, 1, 2)


BEFORE = {
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01" + b"\0" * 64,
    "an unknown type": pdu(0x08, b"abcd"),
    "data first": p_data(b"ab", COMMAND | LAST),
    "a release first": RELEASE,
    "4 GB": struct.pack(">BxL", 0x01, 0xFFFFFFFF),
    "a short request": pdu(0x01, b"\0\1"),
    "an empty request": pdu(0x01, b""),
    "broken items": association_request()[:-7] + b"\xff" * 7,
}


@pytest.mark.parametrize("name", BEFORE)
def test_who_asks_wrongly_is_aborted(name: str) -> None:
    acceptor = Acceptor()
    assert aborts(acceptor.feed(BEFORE[name])) == [(USER, 0)]
    assert acceptor.association.state is State.CLOSING
    assert acceptor.association.ending is Ending.ABORTED
    assert acceptor.association.end_reason


STORE = p_data(command(C_STORE_RQ), COMMAND | LAST)
AFTER = {
    "an unknown type": (pdu(0x0F, b""), (PROVIDER, 1)),
    "a second request": (association_request(), (PROVIDER, 2)),
    "an acceptance": (pdu(0x02, b"\0" * 80), (PROVIDER, 2)),
    "a release reply": (pdu(0x06, b"\0" * 4), (PROVIDER, 2)),
    "a long release": (pdu(0x05, b"\0" * 5), (PROVIDER, 6)),
    "a short release": (pdu(0x05, b"\0" * 3), (PROVIDER, 6)),
    "4 GB": (struct.pack(">BxL", 0x04, 0xFFFFFFFF), (PROVIDER, 6)),
    "more than our maximum": (pdu(0x04, b"", MAX_PDU + 7), (PROVIDER, 6)),
    "no value": (pdu(0x04, b""), (PROVIDER, 6)),
    "a value too long": (pdu(0x04, value(b"ab", 3, length=9)), (PROVIDER, 6)),
    "a value too short": (pdu(0x04, value(b"ab", 3, length=1)), (PROVIDER, 6)),
    "rest after a value": (pdu(0x04, value(b"ab", COMMAND) + b"\0" * 3), (PROVIDER, 6)),
    "another context": (p_data(b"ab", COMMAND | LAST, context_id=3), (PROVIDER, 6)),
    "an odd value": (STORE + p_data(b"abc", DATASET), (PROVIDER, 6)),
    "an odd command": (p_data(command(C_STORE_RQ) + b"\0", COMMAND | LAST), (PROVIDER, 6)),
    "a dataset first": (p_data(b"ab", DATASET), (USER, 0)),
    "a command in a dataset": (STORE + p_data(b"ab", DATASET) + STORE, (USER, 0)),
    "a huge command": (p_data(b"\0" * 16386, COMMAND), (USER, 0)),
    "a command cut off": (p_data(command(C_STORE_RQ)[:-2], COMMAND | LAST), (USER, 0)),
    "no command": (p_data(b"", COMMAND | LAST), (USER, 0)),
    "no message": (p_data(command(C_STORE_RQ, message_id=None), COMMAND | LAST), (USER, 0)),
    "a response": (p_data(command(0x8001), COMMAND | LAST), (USER, 0)),
    "another group": (p_data(b"\x08" + element(0x0100, 1)[1:], COMMAND | LAST), (USER, 0)),
}


@pytest.mark.parametrize("name", AFTER)
@pytest.mark.parametrize("chunk", [1 << 20, 1])
def test_who_breaks_the_rules_is_aborted(name: str, chunk: int) -> None:
    data, expected = AFTER[name]
    acceptor = established()
    assert aborts(acceptor.feed(data, chunk)) == [expected]
    assert acceptor.association.ending is Ending.ABORTED
    assert all(operation.abandoned for operation in acceptor.operations)
    assert acceptor.feed(STORE) == b""


def test_a_dataset_that_is_broken_off_is_abandoned() -> None:
    for end in (ABORT, RELEASE):
        acceptor = established()
        acceptor.feed(STORE + p_data(b"half", DATASET) + end)
        assert acceptor.operations[0].abandoned
    lost = established()
    lost.feed(STORE + p_data(b"half", DATASET))
    lost.association.lose("gone")
    assert lost.operations[0].abandoned
    assert (lost.association.state, lost.association.ending) == (State.CLOSED, Ending.LOST)


def test_an_answer_that_comes_too_late_is_not_sent() -> None:
    acceptor = established(at_once=False)
    acceptor.feed(store_message(b"ab"))
    acceptor.association.lose("gone")
    answer = acceptor.operations[0].answer
    assert answer is not None
    answer(Response(0))
    assert acceptor.association.take_outgoing() == b""


def test_a_request_with_too_much_in_it_is_refused_before_it_is_decoded() -> None:
    contexts = [(str(CTImageStorage), [str(ImplicitVRLittleEndian)] * 1)] * 128
    acceptor = Acceptor()
    assert acceptor.feed(association_request(*contexts))[0] == 0x02
    sub_items = struct.pack(">BxH", 0x40, 1) + b"1"
    context = struct.pack(">BBBB", 1, 0, 0, 0) + sub_items * 300
    item = struct.pack(">BxH", 0x20, len(context)) + context
    crowded = Acceptor()
    crowded.feed(pdu(0x01, association_request()[6:] + item))
    assert "too many sub-items" in crowded.association.end_reason
    assert crowded.association.ending is Ending.ABORTED
