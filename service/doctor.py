"""Examines an installation and says how to mend what is wrong.

It changes nothing, but that an embedded database which is not there yet is made, to be looked at.
Every finding is something an administrator can act on; nothing of a patient is in it.
"""

import os
import shutil
from collections.abc import Iterator

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from model.checkpoint import load
from model.errors import ModelError
from service.admission.loading import load_rules
from service.db.engine import open_database
from service.db.migrate import current_revision, head_revision
from service.encoders.examining import examine_encoders
from service.encoders.files import configured_checkpoint
from service.errors import ServiceError
from service.finding import Finding
from service.housekeeping.examining import examine_housekeeping
from service.keys import any_valid
from service.opening import secret_file
from service.own_ports import examine_ports
from service.patients import check_patient_keyer, load_patient_keyer
from service.peers import list_peers
from service.postgres import PostgresError
from service.settings import Settings
from service.tuning.advice import advise
from service.tuning.standbys import examine_standbys
from service.verifying.examining import examine_recall

_LOW_DISK_BYTES = 10 * 1024**3
# Older ones overflow in parallel HNSW builds (CVE-2026-3172).
_OLDEST_PGVECTOR = (0, 8, 2)
_VECTOR_VERSION = """
    SELECT coalesce(installed_version, default_version) FROM pg_available_extensions
    WHERE name = 'vector'"""


def examine(settings: Settings) -> list[Finding]:
    """Look at settings, folders, ports, weights, device, and the database if it can be opened."""
    findings = [_settings(settings), _admission(settings), _state_dir(settings), _disk(settings)]
    findings += [*examine_ports(settings), _weights(settings), _device(settings)]
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


def _settings(settings: Settings) -> Finding:
    dicom, http = settings.dicom, settings.http
    detail = (
        f"node {dicom.ae_title}@{dicom.host}:{dicom.port}, API {http.host}:{http.port} "
        f"({'API keys demanded' if http.demands_key else 'no API keys'}), "
        f"worker on {settings.worker.device}, {_kind(settings)} database"
    )
    return Finding("settings", "ok", detail)


def _admission(settings: Settings) -> Finding:
    try:
        rules = load_rules(settings)
    except ServiceError as error:
        return Finding("admission", "wrong", "the rules cannot be understood", str(error))
    return Finding("admission", "ok", f"{len(rules.rules)} rules, otherwise {rules.otherwise}")


def _weights(settings: Settings) -> Finding:
    try:
        path = configured_checkpoint(settings.encoder)
        load(path)
    except ModelError as error:
        remedy = "Install again, or set PRECUNEUS_ENCODER__CHECKPOINT to a whole checkpoint."
        return Finding("encoder weights", "wrong", str(error), remedy)
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
        yield _pgvector(connection.scalar(text(_VECTOR_VERSION)))
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
    if tuple(int(part) for part in version.split(".")[:3]) < _OLDEST_PGVECTOR:
        return Finding("pgvector", "wrong", version, "Upgrade pgvector to 0.8.2 or newer.")
    return Finding("pgvector", "ok", version)


def _gallery(engine: Engine, settings: Settings) -> Iterator[Finding]:
    yield from examine_encoders(engine, settings.state_dir)
    yield _patient_keys(engine, settings)
    yield _api_keys(engine, settings)
    yield _known_peers(engine, settings)
    with engine.connect() as connection:
        yield from advise(connection, settings)
        if (recall := examine_recall(connection, settings.gallery.recall_canary_s)) is not None:
            yield recall
        yield examine_housekeeping(connection)
    yield from examine_standbys(engine, settings.database)


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
    if exists or not settings.http.demands_key:
        detail = "at least one is valid" if exists else "none, and none needed on loopback"
        return Finding("API keys", "ok", detail)
    return Finding("API keys", "wrong", "none", "Run `precuneus api key create NAME`.")


def _known_peers(engine: Engine, settings: Settings) -> Finding:
    with engine.connect() as connection:
        peers = list_peers(connection)
    if not peers:
        detail = f"none: whoever reaches {settings.dicom.host} may store"
        return Finding("known peers", "note", detail, "Run `precuneus node peers add`.")
    homeless = [peer.name for peer in peers if not peer.has_source]
    if homeless:
        remedy = "Say with `precuneus node peers add … --network` from where they may come."
        detail = f"known by host name alone, so refused: {', '.join(homeless)}"
        return Finding("known peers", "note", detail, remedy)
    return Finding("known peers", "ok", f"{len(peers)}; nobody else may associate")
