"""A pull goes by the rules of admission, and does not ask again for what they drop."""

from datetime import date

import pytest
from sqlalchemy import Engine

from dicom_node.receive import Receiver
from dicom_node.requesting.selection import Selection
from service.admission.rules import AdmissionRules
from service.opening import receiver
from service.pulling.method import By
from service.pulling.reconciling import reconcile
from service.readmitting import readmit
from service.settings import Settings
from tests.integration.service.pulling.conftest import MakeArchive
from tests.support.admission import dropped, states, with_rules

ALL = Selection(since=date(2024, 1, 1), until=date(2024, 2, 28))


@pytest.fixture
def take(settings: Settings, engine: Engine) -> Receiver:
    """What stores objects, and drops those of knees."""
    return receiver(with_rules(settings, "drop body_part=KNEE; otherwise admit"), engine)


@pytest.mark.usefixtures("dcmtk")
@pytest.mark.parametrize("by", ["move", "get"])
def test_what_is_dropped_is_fetched_once(archive: MakeArchive, engine: Engine, by: By) -> None:
    filled = archive("dcmqrscp")
    assert filled.puller(by).run("pacs", ALL).succeeded
    assert set(states(engine).values()) == {("pending", None, True)}
    assert (len(states(engine)), len(dropped(engine))) == (6, 6)

    again = filled.puller(by).run("pacs", ALL)
    assert (again.succeeded, again.known_already, again.received) == (True, 12, 0)
    assert {times for _, times in dropped(engine).values()} == {1}
    account = reconcile(engine, "pacs", filled.peer.address(filled.own.ae_title), ALL)
    assert account.complete
    assert (account.totals["pending"], account.totals["unsupported"]) == (6, 6)

    assert readmit(engine, AdmissionRules()).welcome == 6
    account = reconcile(engine, "pacs", filled.peer.address(filled.own.ae_title), ALL)
    assert (account.complete, account.totals["missing"]) == (False, 6)
