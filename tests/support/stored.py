"""What lies in a gallery: its rows, its files, and what was set aside."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore, StoredFile
from dicom_node.importing import open_dicom_file
from dicom_node.meta import encode_meta
from service.settings import Settings

_REASON = ".reason"


def count_rows(engine: Engine, table: str) -> int:
    """How many rows a table has."""
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def waits_for_lock(engine: Engine, done: "Future[Any]") -> bool:
    """Whether somebody comes to wait for a lock by agreement before `done` is done."""
    with engine.connect() as watching:
        while not done.done():
            waiting = watching.execute(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            ).scalar_one()
            if waiting:
                return True
    return False


def file_names(engine: Engine) -> set[str]:
    """The files that instances refer to."""
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT file_name FROM instance")))


def quarantine(settings: Settings) -> dict[str, str]:
    """The files set aside and why; each has its reason."""
    folder = settings.state_dir / "quarantine"
    reasons = {f.name.removesuffix(_REASON): f.read_text() for f in folder.glob(f"*{_REASON}")}
    files = {f.name for f in folder.iterdir() if f.suffix != _REASON}
    assert files == set(reasons)
    return reasons


def meta_of(path: Path, source: str = "MODALITY") -> bytes:
    """The file meta that the node would write for the object of a file."""
    header = open_dicom_file(path).header
    return encode_meta(
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        source=source,
    )


def store_file(store: ObjectStore, path: Path) -> StoredFile:
    """A complete file in the store that nobody registered, as a crash before the commit leaves."""
    return store.write([open_dicom_file(path).dataset], meta_of(path))
