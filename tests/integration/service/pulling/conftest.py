"""Archives that people run, filled with studies of nobody, and a node of ours beside them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from sqlalchemy import Engine

from dicom_node.configure import configure_pydicom, configure_pynetdicom
from dicom_node.receive import Receiver
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.scu import send
from service.dicom_settings import DicomSettings
from service.peers import Peer, add_peer
from service.pulling.method import By, choose_method
from service.pulling.pulling import Puller
from service.pulling.throttle import Throttle
from tests.support.dcmqrscp import TITLE, running_dcmqrscp
from tests.support.objects import ct_dataset, write_file
from tests.support.orthanc import find_orthanc, running_orthanc

STUDIES, SLICES = 3, 2


@dataclass(frozen=True)
class Made:
    """Files of studies with a CT series of the head and an MR series of the knee each."""

    files: tuple[Path, ...]
    datasets: tuple[Dataset, ...]

    @property
    def uids(self) -> set[str]:
        return {str(dataset.SOPInstanceUID) for dataset in self.datasets}

    @property
    def studies(self) -> list[str]:
        return sorted({str(dataset.StudyInstanceUID) for dataset in self.datasets})


@pytest.fixture
def made(tmp_path: Path) -> Made:
    datasets = []
    for number in range(STUDIES):
        study = generate_uid()
        for modality, part in (("CT", "HEAD"), ("MR", "KNEE")):
            series = generate_uid()
            datasets += [
                ct_dataset(
                    seed=len(datasets) + slice_,
                    patient_id=f"ZQ-{number}",
                    study_instance_uid=study,
                    series_instance_uid=series,
                    Modality=modality,
                    BodyPartExamined=part,
                    StudyDate=f"2024013{number % 2}",
                    StudyTime="101500",
                    StudyID=str(number),
                    InstanceNumber=slice_ + 1,
                    SeriesNumber=1,
                )
                for slice_ in range(SLICES)
            ]
    files = [
        write_file(tmp_path / "made" / f"{n}.dcm", dataset) for n, dataset in enumerate(datasets)
    ]
    return Made(tuple(files), tuple(datasets))


@pytest.fixture
def node(take: Receiver) -> Iterator[StorageNode]:
    configure_pydicom()
    configure_pynetdicom()
    node = StorageNode(NodeConfig(port=0), take)
    node.start()
    yield node
    node.stop()


@dataclass(frozen=True)
class Archive:
    """A filled archive, known as the peer `pacs`."""

    peer: Peer
    engine: Engine
    take: Receiver
    own: DicomSettings

    def puller(
        self, by: By | None, take: Receiver | None = None, throttle: Throttle | None = None
    ) -> Puller:
        address = self.peer.address(self.own.ae_title)
        method = choose_method(address, self.own, by)
        return Puller(self.engine, take or self.take, address, method, throttle or Throttle())


MakeArchive = Callable[..., Archive]


@pytest.fixture
def archive(
    tmp_path: Path, engine: Engine, take: Receiver, node: StorageNode, made: Made
) -> Iterator[MakeArchive]:
    """Starts an archive, "orthanc" or "dcmqrscp", that knows our node unless told otherwise."""
    with ExitStack() as stack:

        def make(kind: str, *, knows_us: bool = True) -> Archive:
            folder = tmp_path / kind
            folder.mkdir()
            if kind == "orthanc":
                program = find_orthanc()
                if program is None:
                    pytest.skip("Orthanc is not installed")
                client = stack.enter_context(running_orthanc(program, folder, node.port))
                for file in made.files:
                    client.post("/instances", content=file.read_bytes()).raise_for_status()
                peer = Peer(
                    "pacs", "ORTHANC", "127.0.0.1", client.get("/system").json()["DicomPort"]
                )
            else:
                known = node.port if knows_us else None
                port = stack.enter_context(running_dcmqrscp(folder, known))
                sent = list(send(made.files, "127.0.0.1", port, TITLE))
                assert {result.status for result in sent} == {0}
                peer = Peer("pacs", TITLE, "127.0.0.1", port)
            with engine.begin() as connection:
                add_peer(connection, peer)
            return Archive(peer, engine, take, DicomSettings(port=node.port))

        yield make
