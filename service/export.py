"""The gallery as one NumPy archive: 4,096-d embeddings, what they are of and whose they are.

Written block by block, so that a gallery larger than memory can be exported.
"""

import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from service.db.vectors import decode_vector
from service.encoders.registry import ActiveEncoder, get_active, load_basis

_BLOCK = 2048


def export_gallery(
    engine: Engine, path: Path, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> int:
    """Write sop_instance_uid, frame, label, patient_key and embedding (float32 [N, 4096]).

    `label` is the slice's first label, or empty. Beside these columns stand the encoder_name and
    encoder_sha256 that all embeddings are of, as arrays without a dimension. Loads with
    allow_pickle=False. The file appears whole or not at all, and only its owner may read it.
    Returns N.

    Raises:
        Unavailable: no encoder is active.
        OSError: the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.part")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        encoder = get_active(connection)
        count = connection.execute(text(f"SELECT count(*) FROM {encoder.partition}")).scalar_one()
        try:
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w+b") as file, zipfile.ZipFile(file, "w") as archive:
                _write_array(archive, "encoder_name", np.array(encoder.name))
                _write_array(archive, "encoder_sha256", np.array(encoder.digest))
                _write_columns(archive, connection, encoder, count)
                _write_embeddings(archive, connection, encoder, count, progress)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    return int(count)


def _write_columns(
    archive: zipfile.ZipFile, connection: Connection, encoder: ActiveEncoder, count: int
) -> None:
    columns: dict[str, NDArray[Any]] = {
        "sop_instance_uid": np.empty(count, "<U64"),
        "frame": np.empty(count, np.int32),
        "label": np.empty(count, "<U200"),
        "patient_key": np.empty(count, "<U32"),
    }
    rows = _stream(
        connection,
        "SELECT i.sop_instance_uid, e.frame, coalesce(e.labels[1], ''), "
        "replace(e.patient_key::text, '-', '') "
        f"FROM {encoder.partition} e JOIN instance i USING (instance_id) "
        "ORDER BY e.instance_id, e.frame",
    )
    for number, row in enumerate(rows):
        for column, value in zip(columns.values(), row, strict=True):
            column[number] = value
    for name, column in columns.items():
        _write_array(archive, name, column)


def _write_array(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        npy.write_array(file, array, allow_pickle=False)


def _write_embeddings(
    archive: zipfile.ZipFile,
    connection: Connection,
    encoder: ActiveEncoder,
    count: int,
    progress: Callable[[int, int], None],
) -> None:
    basis = load_basis(connection, encoder.encoder_id)
    rows = _stream(
        connection,
        f"SELECT vector_send(coordinates) FROM {encoder.partition} ORDER BY instance_id, frame",
    )
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, len(basis))}
    with archive.open("embedding.npy", "w", force_zip64=True) as file:
        npy.write_array_header_2_0(file, header)
        done = 0
        for block in _blocks(rows):
            coordinates = np.stack([decode_vector(row[0]) for row in block])
            file.write((coordinates @ basis.T).astype("<f4").tobytes())
            done += len(block)
            progress(done, count)


def _stream(connection: Connection, statement: str) -> Iterator[Any]:
    options = {"stream_results": True, "yield_per": _BLOCK}
    yield from connection.execute(text(statement), execution_options=options)


def _blocks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    block: list[Any] = []
    for row in rows:
        block.append(row)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block
