"""Orthanc as a receiver: its default storage and SQLite index, configured in a file of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from benchmarks.children import HOST, free_port, running
from benchmarks.peers import NO_DELAY, find
from benchmarks.receive.receiver import Receiver

_AE_TITLE = "ORTHANC"


@contextmanager
def orthanc(folder: Path) -> Iterator[Receiver]:
    """Debian's Orthanc; HTTP is on, on loopback, only to ask how many instances it has."""
    program, dicom_port, http_port = find("Orthanc"), free_port(), free_port()
    folder.mkdir()
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(_configuration(folder, dicom_port, http_port), indent=2))

    def stored() -> int:
        with urlopen(f"http://{HOST}:{http_port}/statistics", timeout=30) as response:
            return int(json.load(response)["CountInstances"])

    with running((program, str(configuration)), folder / "log", env=NO_DELAY) as process:
        receiver = Receiver(
            name="Orthanc",
            ae_title=_AE_TITLE,
            port=dicom_port,
            synced=True,
            durable="file synced; SQLite in WAL mode, synced at checkpoints",
            registers="SQLite",
            roots={"server": process.pid},
            stored=stored,
        )
        process.await_ready(receiver.answers)
        yield receiver


def _configuration(folder: Path, dicom_port: int, http_port: int) -> dict[str, object]:
    """Only what a PACS administrator sets; all else is Orthanc's default."""
    return {
        "Name": "Benchmark",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": _AE_TITLE,
        "DicomPort": dicom_port,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"benchmark": ["BENCHMARK", HOST, free_port()]},
        "OverwriteInstances": True,
    }
