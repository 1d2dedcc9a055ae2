"""What the conformance statement says that we propose and ask, against a peer that listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import (
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
)

from dicom_node.commitment import CommitmentResult
from dicom_node.contexts import STORAGE_COMMITMENT, VERIFICATION
from dicom_node.files import ObjectStore
from dicom_node.receive import Receiver
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.finding import STUDY_ROOT_FIND, finder
from dicom_node.requesting.reporting import report_commitment
from dicom_node.requesting.retrieving import (
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    Wanted,
    accepted_services,
    get,
    move,
)
from dicom_node.requesting.verifying import verify
from service.conformance.facts import Activity
from service.conformance.statement import default_settings, statement
from tests.unit.dicom_node.samples import Gallery

FACTS = statement(default_settings())
SERIES = Wanted("1.2.3", "1.2.3.4")
INSTANCE = Wanted("1.2.3", "1.2.3.4", ("1.2.3.4.5",))
Context = tuple[str, tuple[str, ...], str]


@dataclass
class Heard:
    """What the peer was asked: contexts of each association, and keywords of each identifier."""

    address: PeerAddress
    associations: list[set[Context]] = field(default_factory=list)
    implementations: set[str] = field(default_factory=set)
    identifiers: list[Dataset] = field(default_factory=list)

    def associated(self, event: Event) -> None:
        asked = event.assoc.requestor
        roles = asked.role_selection
        self.associations.append(
            {
                (
                    str(context.abstract_syntax),
                    tuple(map(str, context.transfer_syntax)),
                    "SCP" if context.abstract_syntax in roles else "SCU",
                )
                for context in asked.requested_contexts
            }
        )
        for item in asked.primitive.user_information:
            if isinstance(item, ImplementationClassUIDNotification):
                self.implementations.add(str(item.implementation_class_uid))
            if isinstance(item, ImplementationVersionNameNotification):
                self.implementations.add(str(item.implementation_version_name))

    def find(self, event: Event) -> Iterator[tuple[int, None]]:
        self.identifiers.append(event.identifier)
        yield 0x0000, None

    def move(self, event: Event) -> Iterator[object]:
        self.identifiers.append(event.identifier)
        yield "127.0.0.1", event.assoc.remote["port"]
        yield 0

    def get(self, event: Event) -> Iterator[object]:
        self.identifiers.append(event.identifier)
        yield 0


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening() as found:
        yield found


@contextmanager
def listening() -> Iterator[Heard]:
    entity = AE("ARCHIVE")
    for uid in (VERIFICATION, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET):
        entity.add_supported_context(uid)
    entity.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
    found = Heard(PeerAddress("127.0.0.1", 0, "ARCHIVE", "PRECUNEUS"))
    handlers = [
        (evt.EVT_REQUESTED, found.associated),
        (evt.EVT_C_FIND, found.find),
        (evt.EVT_C_MOVE, found.move),
        (evt.EVT_C_GET, found.get),
        (evt.EVT_N_EVENT_REPORT, lambda event: (0x0000, None)),
    ]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    found.address = PeerAddress("127.0.0.1", server.server_address[1], "ARCHIVE", "PRECUNEUS")
    try:
        yield found
    finally:
        server.shutdown()


def contexts(activity: Activity) -> set[Context]:
    """The contexts that the statement names for an activity."""
    return {
        (one.uid, tuple(syntax.uid for syntax in context.transfer_syntaxes), context.role)
        for context in activity.contexts
        for one in context.sop_classes
    }


def test_each_activity_proposes_what_the_statement_says(heard: Heard, tmp_path: Path) -> None:
    receiver = Receiver(ObjectStore(tmp_path / "state"), Gallery())
    verify(heard.address)
    with finder(heard.address):
        pass
    accepted_services(heard.address)
    move(heard.address, SERIES)
    get(heard.address, SERIES, receiver)
    report_commitment(heard.address, CommitmentResult("1.2.3", (), ()))
    assert heard.associations == [contexts(activity) for activity in FACTS.activities]
    product = FACTS.product
    assert heard.implementations == {
        product.implementation_class_uid,
        product.implementation_version_name,
    }


def test_queries_have_the_keys_of_the_statement(heard: Heard) -> None:
    with finder(heard.address) as asking:
        asking.studies(dates="20240101-20240131")
        asking.series("1.2.3")
        asking.instances("1.2.3", "1.2.3.4")
    asked = {query.QueryRetrieveLevel: set(query.dir()) for query in heard.identifiers}
    assert asked == {
        keys.level: {"QueryRetrieveLevel", *keys.matching, *keys.returned} for keys in FACTS.queries
    }


def test_retrievals_have_the_keys_of_the_statement(heard: Heard, tmp_path: Path) -> None:
    receiver = Receiver(ObjectStore(tmp_path / "state"), Gallery())
    stated = {keys.level: {"QueryRetrieveLevel", *keys.keys} for keys in FACTS.retrievals}
    for wanted in (SERIES, INSTANCE):
        move(heard.address, wanted)
        get(heard.address, wanted, receiver)
    assert len(heard.identifiers) == 4
    for identifier in heard.identifiers:
        assert set(identifier.dir()) == stated[identifier.QueryRetrieveLevel]
