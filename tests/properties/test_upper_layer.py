"""Whatever bytes a peer sends, in whatever pieces: a defined end, and the same one each time."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.upper_layer.association import State
from dicom_node.upper_layer.command_set import CommandSet, encode_response, parse_command
from dicom_node.upper_layer.requests import read_proposal
from dicom_node.upper_layer.violations import InvalidMessage, InvalidParameter
from tests.unit.dicom_node.upper_layer.acceptors import Acceptor
from tests.unit.dicom_node.upper_layer.wire import (
    ABORT,
    C_ECHO_RQ,
    COMMAND,
    LAST,
    RELEASE,
    association_request,
    command,
    p_data,
    pdu,
    store_message,
    value,
)

REQUEST = association_request()
DATA = st.binary(max_size=40)
PIECES = st.one_of(
    st.just(REQUEST),
    st.just(p_data(command(C_ECHO_RQ), COMMAND | LAST)),
    DATA.map(store_message),
    st.builds(p_data, DATA, st.integers(0, 255), st.sampled_from([0, 1, 3])),
    st.builds(value, DATA, st.integers(0, 255)).map(lambda data: pdu(0x04, data)),
    st.builds(pdu, st.integers(0, 9), DATA),
    st.just(RELEASE),
    st.just(ABORT),
    DATA,
)
STREAMS = st.lists(PIECES, max_size=6).map(b"".join)
Told = tuple[object, ...]


def told(stream: bytes, cuts: Sequence[int]) -> Told:
    """All that can be seen of an association that got `stream` in pieces."""
    acceptor = Acceptor()
    sent = b""
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in pairwise(places):
        sent += acceptor.feed(stream[start:end])
    association = acceptor.association
    datasets = [kept.dataset for kept in acceptor.operations if kept.answer is not None]
    states = association.state, association.ending, association.end_reason
    return sent, datasets, states, dict(association.answered)


@settings(max_examples=150, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 1 << 16), max_size=8))
def test_any_stream_has_one_meaning_however_it_is_cut(stream: bytes, cuts: list[int]) -> None:
    assert told(stream, cuts) == told(stream, [])
    assert told(REQUEST + stream, cuts) == told(REQUEST + stream, [])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_end_in_an_abort_or_wait_for_more(junk: bytes) -> None:
    acceptor = Acceptor()
    acceptor.feed(junk)
    assert acceptor.association.state in (State.AWAITING_REQUEST, State.CLOSING, State.CLOSED)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_request_with_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    changed = bytearray(REQUEST[6:])
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        proposal = read_proposal(bytes(changed))
    except InvalidParameter:
        return
    assert len(proposal.contexts) <= 128
    Acceptor().feed(pdu(0x01, bytes(changed)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_none(data: bytes) -> None:
    try:
        parsed = parse_command(data)
    except InvalidMessage:
        return
    assert sum(8 + len(content) for content in parsed.values.values()) == len(data)


@settings(deadline=None)
@given(st.integers(0, 0xFFFF), st.text(max_size=100), st.integers(0, 0xFFFF))
def test_a_response_can_be_read_again(status: int, comment: str, message: int) -> None:
    request = parse_command(command(0x0001, message_id=message))
    response: CommandSet = parse_command(encode_response(request, status, comment))
    assert response.number(0x0900) == status
    assert response.number(0x0120) == message
    assert len(response.values.get(0x0902, b"")) <= 64
    assert response.text(0x1000) == "1.2.3"
