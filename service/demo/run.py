"""The demo from end to end: start the service, push studies, wait, ask, draw, and serve on.

It lives in a folder of its own with ports of its own; it never touches the user's gallery.
"""

import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import typer

from dicom_node.configure import configure_pydicom, configure_pynetdicom
from dicom_node.scu import send
from service.cli.output import progress_bar
from service.demo.client import Client
from service.demo.errors import DemoError
from service.demo.report import draw_answer, print_answer
from service.demo.server import await_ready, demo_settings, running_service
from service.demo.studies import write_studies
from service.importing import find_files
from service.labels.importing import import_file
from service.opening import open_gallery
from service.settings import Settings

_CALLING_AE_TITLE = "DEMO_PACS"
_POLL_S = 0.3


@dataclass(frozen=True)
class Material:
    """What is shown: files to push, their labels, and the slice to ask about, if chosen."""

    files: tuple[Path, ...]
    labels_csv: Path | None
    query_sop_instance_uid: str | None


def run_demo(folder: Path, data: Path | None, picture: Path, *, leave: bool) -> int:
    """Show the whole service at work; serve on until Ctrl-C unless `leave`.

    Raises:
        DemoError: the service does not start, or an object was refused or not embedded.
    """
    configure_pydicom()
    configure_pynetdicom()
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    material = _own_material(data) if data is not None else _drawn_material(folder)
    # Neighbours of the user's own slices shall not be phantoms.
    settings = demo_settings(folder, "state" if data is None else "state-data")
    with running_service(settings, folder / "serve.log") as process:
        client = Client(f"http://{settings.http.host}:{settings.http.port}")
        await_ready(client, process, folder / "serve.log")
        query = _fill(client, material, settings, process)
        answer = client.similar(query, k=5)
        print_answer(client, answer)
        draw_answer(client, answer, picture)
        _print_addresses(settings, query, picture)
        if leave:
            return 0
        typer.echo("\nServing until Ctrl-C …")
        process.wait()
    return 0


def _drawn_material(folder: Path) -> Material:
    typer.echo("Drawing head phantoms (no patient's image is used) …")
    studies = write_studies(folder / "studies")
    return Material(studies.files, studies.labels_csv, studies.query_sop_instance_uid)


def _own_material(data: Path) -> Material:
    files = tuple(find_files([data]))
    labels = next((file for file in files if file.name == "labels.csv"), None)
    return Material(tuple(file for file in files if file.suffix != ".csv"), labels, None)


def _fill(
    client: Client, material: Material, settings: Settings, process: subprocess.Popen[bytes]
) -> str:
    """Label and push the material and wait until it is searchable; the SOP Instance UID to ask."""
    if material.labels_csv is not None:
        with open_gallery(settings) as engine:
            import_file(engine, material.labels_csv)
    accepted = _push(material, settings)
    embedded = _await_embedded(client, accepted, process)
    return material.query_sop_instance_uid or embedded[len(embedded) // 2]


def _push(material: Material, settings: Settings) -> list[str]:
    """Send everything by C-STORE; the UIDs that were acknowledged."""
    accepted: list[str] = []
    refused: Counter[str] = Counter()
    dicom = settings.dicom
    with progress_bar() as progress:
        task = progress.add_task("pushing over DICOM", total=len(material.files))
        for result in send(
            material.files, dicom.host, dicom.port, dicom.ae_title, _CALLING_AE_TITLE
        ):
            if result.status == 0 and result.sop_instance_uid:
                accepted.append(result.sop_instance_uid)
            else:
                status = "not sent" if result.status is None else f"0x{result.status:04X}"
                refused[f"{status} {result.reason}".strip()] += 1
            progress.advance(task)
    typer.echo(f"{len(accepted)} of {len(material.files)} objects acknowledged with 0x0000.")
    for reason, count in refused.items():
        typer.echo(f"  {count} refused: {reason}")
    if not accepted:
        raise DemoError("No object was accepted, so there is nothing to search.")
    return list(dict.fromkeys(accepted))


def _await_embedded(client: Client, uids: list[str], process: subprocess.Popen[bytes]) -> list[str]:
    """Wait until nothing is pending; the UIDs that became searchable."""
    states: dict[str, str] = {}
    with progress_bar() as progress:
        task = progress.add_task("embedding", total=len(uids))
        while len(states) < len(uids):
            for uid in uids:
                if uid in states:
                    continue
                state = str((client.instance(uid) or {}).get("state"))
                if state == "pending":
                    break
                states[uid] = state
            progress.update(task, completed=len(states))
            if process.poll() is not None:
                raise DemoError("The service ended; see serve.log in the demo's folder.")
            time.sleep(_POLL_S)
    counts = Counter(states.values())
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()) + ".")
    embedded = [uid for uid in uids if states[uid] == "embedded"]
    if not embedded:
        raise DemoError("None of the objects is an image that can be searched.")
    return embedded


def _print_addresses(settings: Settings, query: str, picture: Path) -> None:
    base = f"http://{settings.http.host}:{settings.http.port}"
    typer.echo(f"\nPicture     {picture}")
    typer.echo(f"Neighbours  {base}/v1/instances/{query}/similar?k=5")
    typer.echo(f"Schema      {base}/openapi.json")
    typer.echo(f"Health      {base}/readyz    Metrics  {base}/metrics")
    dicom = settings.dicom
    typer.echo(f"DICOM node  {dicom.ae_title} at {dicom.host}:{dicom.port}")
