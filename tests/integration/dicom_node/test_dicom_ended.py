"""An association that ends between looking at it and asking over it is one that gives no answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from dicom_node.contexts import STORAGE_COMMITMENT, VERIFICATION
from dicom_node.errors import AssociationFailed
from dicom_node.requesting import reactor
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.finding import STUDY_ROOT_FIND, finder
from dicom_node.requesting.retrieving import STUDY_ROOT_MOVE, Wanted, move
from dicom_node.requesting.verifying import verify

STUDY = "1.2.3"


@contextmanager
def archive() -> Iterator[PeerAddress]:
    """Takes all that is asked here, and knows one study."""

    def find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        answer = Dataset()
        answer.StudyInstanceUID = STUDY
        yield 0xFF00, answer
        yield 0x0000, None

    entity = AE("ARCHIVE")
    for uid in (VERIFICATION, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STORAGE_COMMITMENT):
        entity.add_supported_context(uid)
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find)]
    )
    try:
        yield PeerAddress("127.0.0.1", server.server_address[1], "ARCHIVE", "PRECUNEUS")
    finally:
        server.shutdown()


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ends the next associations in the moment before a request is sent."""

    def begin(times: int) -> None:
        left = [None] * times
        parked = reactor.park

        def park_and_end(association: Association) -> None:
            parked(association)
            if left:
                left.pop()
                association.abort()

        monkeypatch.setattr(reactor, "park", park_and_end)

    return begin


def test_a_query_is_asked_again(ending: Callable[[int], None]) -> None:
    with archive() as address, finder(address) as asking:
        ending(1)
        assert asking.studies().uids == (STUDY,)


@pytest.mark.parametrize("ask", [verify, lambda address: move(address, Wanted("1.2.3", "1.2.3.4"))])
def test_other_requests_fail_as_where_there_is_no_association(
    ending: Callable[[int], None], ask: Callable[[PeerAddress], object]
) -> None:
    ending(1)
    with archive() as address, pytest.raises(AssociationFailed, match="ended before the request"):
        ask(address)
