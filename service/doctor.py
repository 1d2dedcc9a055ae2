"""Examines an installation and says how to mend what is wrong; changes nothing but missing folders.

Every finding is something an administrator can act on; nothing of a patient is in it.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from service.db.engine import open_database
from service.db.migrate import current_revision, head_revision
from service.encoders import find_active, kept_checkpoint
from service.errors import ServiceError
from service.keys import any_valid
from service.opening import secret_file
from service.patients import check_patient_keyer, load_patient_keyer
from service.postgres import PostgresError
from service.settings import Settings, is_loopback

_LOW_DISK_BYTES = 10 * 1024**3
_OLDEST_PGVECTOR = (0, 8)


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` says what to do where the verdict is not `ok`."""

    subject: str
    verdict: Literal["ok", "note", "wrong"]
    detail: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at settings, folders, ports, weights, device, and the database if it can be opened."""
    findings = [_state_dir(settings), _disk(settings), *_ports(settings), _weights(settings)]
    findings.append(_device(settings))
    try:
        with open_database(settings) as engine:
            findings += _database(engine, settings)
    except (ServiceError, PostgresError) as error:
        findings.append(Finding("database", "wrong", "cannot be opened", str(error)))
    except SQLAlchemyError as error:
        findings.append(Finding("database", "wrong", type(error).__name__, "Is the server up?"))
    return findings


def _state_dir(settings: Settings) -> Finding:
    folder = settings.state_dir
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        remedy = "Run as its owner, or set PRECUNEUS_STATE_DIR to a folder of yours."
        return Finding("state folder", "wrong", f"{nearest} is not writable", remedy)
    detail = str(folder) + ("" if folder.exists() else " (made at first use)")
    return Finding("state folder", "ok", detail)


def _disk(settings: Settings) -> Finding:
    folder = settings.state_dir
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    detail = f"{free / 1024**3:.1f} GiB free"
    if free < _LOW_DISK_BYTES:
        remedy = "Make room: when the disk is full the node refuses objects with 0xA700."
        return Finding("disk", "note", detail, remedy)
    return Finding("disk", "ok", detail)


def _ports(settings: Settings) -> Iterator[Finding]:
    dicom, http = settings.dicom, settings.http
    for name, host, port in (("DICOM", dicom.host, dicom.port), ("HTTP", http.host, http.port)):
        try:
            with socket.create_connection((host, port), timeout=2):
                detail = f"{host}:{port} answers: the service, or another program"
                yield Finding(f"{name} port", "ok", detail)
        except OSError:
            yield Finding(f"{name} port", "ok", f"{host}:{port} is free: the service is not up")


def _weights(settings: Settings) -> Finding:
    # model.checkpoint reads weights and needs torch; the doctor's other findings do not.
    from model.checkpoint import default_checkpoint, load  # noqa: PLC0415

    path = settings.encoder.checkpoint or default_checkpoint()
    try:
        load(path)
    except Exception as error:
        remedy = "Install again, or set PRECUNEUS_ENCODER__CHECKPOINT to a whole checkpoint."
        return Finding("encoder weights", "wrong", f"{path.name}: {error}", remedy)
    return Finding("encoder weights", "ok", path.name)


def _device(settings: Settings) -> Finding:
    import torch  # noqa: PLC0415

    wanted, cuda = settings.worker.device, torch.cuda.is_available()
    if wanted.startswith("cuda") and not cuda:
        remedy = "Install NVIDIA's driver and a CUDA build of torch, or set the device to auto."
        return Finding("device", "wrong", f"{wanted} is set, torch sees no GPU", remedy)
    name = torch.cuda.get_device_name() if cuda and wanted != "cpu" else "cpu"
    return Finding("device", "ok", f"{name} (torch {torch.__version__})")


def _database(engine: Engine, settings: Settings) -> Iterator[Finding]:
    with engine.connect() as connection:
        version = connection.execute(text("SHOW server_version")).scalar_one()
        yield Finding("PostgreSQL", "ok", f"{version}, {_kind(settings)}")
        yield _pgvector(
            connection.scalar(
                text("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
            )
        )
        revision, head = current_revision(connection), head_revision()
        if revision != head:
            remedy = "Run `precuneus db upgrade`."
            detail = f"at {revision or 'none'}, needed {head}"
            yield Finding("migrations", "wrong" if revision else "note", detail, remedy)
            return
        yield Finding("migrations", "ok", f"at {revision}")
    yield from _gallery(engine, settings)


def _kind(settings: Settings) -> str:
    return "embedded" if settings.has_embedded_database else "external"


def _pgvector(version: str | None) -> Finding:
    if version is None:
        return Finding("pgvector", "wrong", "missing", "Install pgvector on the server.")
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_PGVECTOR:
        return Finding("pgvector", "wrong", version, "Upgrade pgvector to 0.8 or newer.")
    return Finding("pgvector", "ok", version)


def _gallery(engine: Engine, settings: Settings) -> Iterator[Finding]:
    checks: list[Callable[[], Finding]] = [
        lambda: _active_encoder(engine, settings),
        lambda: _patient_keys(engine, settings),
        lambda: _api_keys(engine, settings),
    ]
    for check in checks:
        yield check()


def _active_encoder(engine: Engine, settings: Settings) -> Finding:
    with engine.connect() as connection:
        active = find_active(connection)
    if active is None:
        remedy = "Start the service: its worker registers the first one."
        return Finding("active encoder", "note", "none yet", remedy)
    if not kept_checkpoint(settings.state_dir, active.name).exists():
        remedy = "Restore encoders/ of the state folder."
        return Finding("active encoder", "wrong", f"{active.name}: weights missing", remedy)
    return Finding("active encoder", "ok", f"{active.name}, {active.dimension} coordinates")


def _patient_keys(engine: Engine, settings: Settings) -> Finding:
    file = secret_file(settings)
    if not file.exists():
        return Finding("patient keys", "note", "no secret yet", "Made at first use; back it up.")
    try:
        with engine.connect() as connection:
            check_patient_keyer(connection, load_patient_keyer(file))
    except ServiceError as error:
        return Finding("patient keys", "wrong", "not this gallery's secret", str(error))
    return Finding("patient keys", "ok", "the secret is this gallery's")


def _api_keys(engine: Engine, settings: Settings) -> Finding:
    with engine.connect() as connection:
        exists = any_valid(connection)
    if exists or is_loopback(settings.http.host):
        detail = "at least one is valid" if exists else "none, and none needed on loopback"
        return Finding("API keys", "ok", detail)
    return Finding("API keys", "wrong", "none", "Run `precuneus api key create NAME`.")
