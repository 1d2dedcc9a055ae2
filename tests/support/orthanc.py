"""Orthanc as a hospital's PACS: it stores what it is given, and pushes it on by a REST call."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.service import AE_TITLE, free_port, listens
from tests.support.waiting import PATIENCE_S, eventually

MODALITY = "precuneus"


def find_orthanc() -> str | None:
    """The program, which Debian puts where an ordinary user's PATH does not lead."""
    return shutil.which("Orthanc", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


@contextmanager
def running_orthanc(
    program: str, folder: Path, node_port: int, **settings: object
) -> Iterator[httpx.Client]:
    """An Orthanc that knows our node as the modality `precuneus`; yields a client of its API.

    `settings` are further ones of its configuration.
    """
    dicom_port, http_port = free_port(), free_port()
    configuration = {
        "Name": "A hospital's PACS",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomPort": dicom_port,
        "DicomModalities": {MODALITY: [AE_TITLE, "127.0.0.1", node_port]},
        "Plugins": [],
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(folder / "orthanc.json")], cwd=folder, stdout=log, stderr=log
        )
    try:
        eventually(lambda: listens(http_port) and listens(dicom_port), "Orthanc listens")
        address = f"http://127.0.0.1:{http_port}"
        with httpx.Client(base_url=address, trust_env=False, timeout=PATIENCE_S) as client:
            yield client
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
