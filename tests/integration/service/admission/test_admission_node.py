"""A PACS pushes all it has, over a real association; what it is told and what is kept."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage
from sqlalchemy import Engine

from dicom_node.commitment import CommitmentRequest, ReferencedObject
from dicom_node.files import ObjectStore
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.statuses import FailureReason
from service.api.deps import Resources
from service.commitment.answering import answer
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder
from service.explaining import EncoderFiles
from service.gallery import gallery_stats
from service.metrics import ApiMetrics
from service.network_process import NetworkProcess
from service.opening import node_receiver
from service.patients import PatientKeyer
from service.settings import EncoderSettings, Settings
from tests.support.admission import (
    LOCALIZER_RULE,
    NEURO,
    SCREENSHOT_RULE,
    dropped,
    head,
    localizer,
    screenshot,
    states,
    with_rules,
)
from tests.support.objects import write_file
from tests.support.peers import SUCCESS, dcmsend, storescu
from tests.support.serving import serving
from tests.support.stored import count_rows

StartNode = Callable[[str], StorageNode]


@pytest.fixture
def start(settings: Settings, engine: Engine) -> Iterator[StartNode]:
    """Starts a node on the test's gallery, with these rules."""
    with ExitStack() as stack:

        def make(admit: str) -> StorageNode:
            taking = stack.enter_context(node_receiver(with_rules(settings, admit), engine))
            node = StorageNode(NodeConfig(port=0), taking)
            node.start()
            stack.callback(node.stop)
            return node

        yield make


def write_all(folder: Path, *datasets: Dataset) -> list[Path]:
    return [write_file(folder / f"{d.SOPInstanceUID}.dcm", d) for d in datasets]


@pytest.mark.usefixtures("dcmtk")
def test_every_object_of_a_mixed_push_is_acknowledged(
    engine: Engine, start: StartNode, store: ObjectStore, tmp_path: Path
) -> None:
    slices, scouts = [head(seed=n) for n in range(8)], [localizer(seed=n) for n in range(4)]
    screens = [screenshot(seed=n) for n in range(8)]
    mixed = [d for three in zip(slices[:4], scouts, screens[:4], strict=True) for d in three]
    files = write_all(tmp_path / "files", *mixed, *slices[4:], *screens[4:])
    node = start(NEURO)
    for _ in range(2):
        push = dcmsend(node.port, *files, report=tmp_path / "report")
        assert (len(push.sent), push.statuses) == (20, {SUCCESS})
    expected = {str(d.SOPInstanceUID): ("pending", None, True) for d in slices}
    expected |= {str(d.SOPInstanceUID): ("unsupported", LOCALIZER_RULE, False) for d in scouts}
    assert states(engine) == expected
    assert dropped(engine) == {str(d.SOPInstanceUID): (SCREENSHOT_RULE, 2) for d in screens}
    assert len(list(store.names())) == 12


@pytest.mark.usefixtures("dcmtk")
def test_the_calling_ae_title_decides(engine: Engine, start: StartNode, tmp_path: Path) -> None:
    node = start("drop calling_ae_title=STORE*; otherwise admit")
    file = write_all(tmp_path, head())[0]
    acknowledged: list[Path] = []
    storescu(node.port, [file], acknowledged.append)
    assert acknowledged == [file]
    assert count_rows(engine, "instance") == 0
    push = dcmsend(node.port, file, report=tmp_path / "report")
    assert push.statuses == {SUCCESS}
    assert count_rows(engine, "instance") == 1
    assert dropped(engine) == {}


@pytest.mark.usefixtures("dcmtk")
def test_a_re_send_after_the_rules_changed(
    engine: Engine, start: StartNode, store: ObjectStore, tmp_path: Path
) -> None:
    scout, screen = localizer(), screenshot()
    files = write_all(tmp_path, scout, screen)
    for rules in (NEURO, "otherwise admit"):
        push = dcmsend(start(rules).port, *files, report=tmp_path / "report")
        assert push.statuses == {SUCCESS}
    assert states(engine) == {
        scout.SOPInstanceUID: ("unsupported", LOCALIZER_RULE, False),
        screen.SOPInstanceUID: ("pending", None, True),
    }
    assert dropped(engine) == {}
    assert len(list(store.names())) == 2


@pytest.mark.usefixtures("dcmtk")
def test_what_was_dropped_is_not_committed(
    engine: Engine, start: StartNode, store: ObjectStore, tmp_path: Path
) -> None:
    slice_, scout, screen = head(), localizer(), screenshot()
    files = write_all(tmp_path, slice_, scout, screen)
    push = dcmsend(start(NEURO).port, *files, report=tmp_path / "report")
    assert push.statuses == {SUCCESS}
    references = [
        ReferencedObject(CTImageStorage, str(slice_.SOPInstanceUID)),
        ReferencedObject(CTImageStorage, str(scout.SOPInstanceUID)),
        ReferencedObject(SecondaryCaptureImageStorage, str(screen.SOPInstanceUID)),
    ]
    with engine.connect() as connection:
        told = answer(connection, store, CommitmentRequest("1.2.3", tuple(references)))
    assert told.committed == (references[0], references[1])
    assert told.failed == ((references[2], FailureReason.NO_SUCH_OBJECT),)
    assert FailureReason.NO_SUCH_OBJECT == 0x0112


@pytest.fixture
def client(
    engine: Engine, store: ObjectStore, decode_pool: DecodePool, encoder: ActiveEncoder
) -> Iterator[httpx.Client]:
    """The REST API on the test's gallery."""
    resources = Resources(
        engine=engine,
        store=store,
        pool=decode_pool,
        metrics=ApiMetrics(),
        keyer=PatientKeyer(b"of a test's gallery"),
        encoder_files=EncoderFiles(Path("nowhere"), EncoderSettings()),
        network=NetworkProcess(),
        demands_key=False,
    )
    with serving(resources) as client:
        yield client


@pytest.mark.usefixtures("dcmtk")
def test_what_the_api_tells(
    engine: Engine, start: StartNode, client: httpx.Client, tmp_path: Path
) -> None:
    scout, screen = localizer(), screenshot(patient_id="ZQ-4711")
    files = write_all(tmp_path, scout, screen)
    dcmsend(start(NEURO).port, *files, report=tmp_path / "report")
    kept = client.get(f"/v1/instances/{scout.SOPInstanceUID}").json()
    assert (kept["state"], kept["reason"], kept["stored"]) == ("unsupported", LOCALIZER_RULE, True)
    path = f"/v1/instances/{screen.SOPInstanceUID}"
    found = client.get(path)
    body = found.json()
    assert (found.status_code, body["state"], body["stored"]) == (200, "unsupported", False)
    assert (body["reason"], body["times"], body["modality"]) == (SCREENSHOT_RULE, 1, "CT")
    assert body["study_instance_uid"] == screen.StudyInstanceUID
    assert "ZQ-4711" not in found.text
    for answered in (client.get(f"{path}/similar"), client.get(f"{path}/preview")):
        assert answered.status_code == 422
        assert SCREENSHOT_RULE in answered.json()["detail"]
    assert client.get("/v1/instances/1.2.3").status_code == 404
    with engine.connect() as connection:
        stats = gallery_stats(connection)
    assert (stats.dropped, stats.reasons) == (1, {LOCALIZER_RULE: 1})
