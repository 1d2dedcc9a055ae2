"""Weights of the gallery's encoders: in the database, and copied into each state folder that asks.

The gallery keeps the weights that embedded it, so that a newer program with other weights goes on
embedding into the same space, on any machine that reaches the database. No torch here.
"""

import os
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from model.checkpoint import checkpoint_named
from service.db.reindex_tables import encoder_weights
from service.encoders.registry import ActiveEncoder, find_active
from service.errors import EncoderMismatch
from service.settings import EncoderSettings


def configured_checkpoint(settings: EncoderSettings) -> Path:
    """The file that the settings name.

    Raises:
        CheckpointMissingError: an encoder that should ship with the program is not there.
    """
    if settings.checkpoint in ("default", "dev"):
        return checkpoint_named(settings.checkpoint)
    return Path(settings.checkpoint)


def kept_checkpoint(state_dir: Path, name: str) -> Path:
    """Where a state folder keeps the weights of the encoder called `name`."""
    return state_dir / "encoders" / f"{name}.safetensors"


def choose_checkpoint(connection: Connection, state_dir: Path, configured: Path) -> Path:
    """The weights to embed with: the active encoder's where there is one, else `configured`.

    Raises:
        EncoderMismatch: the gallery has an active encoder, and its weights are nowhere.
    """
    active = find_active(connection)
    if active is None or configured.stem == active.name:
        return configured
    return checkpoint_of(connection, state_dir, active)


def checkpoint_of(connection: Connection, state_dir: Path, encoder: ActiveEncoder) -> Path:
    """The file of a registered encoder, taken out of the database where this machine lacks it.

    Raises:
        EncoderMismatch: neither has it.
        OSError: the state folder cannot be written.
    """
    kept = kept_checkpoint(state_dir, encoder.name)
    if kept.exists():
        return kept
    content = connection.scalar(
        select(encoder_weights.c.content).where(encoder_weights.c.encoder_id == encoder.encoder_id)
    )
    if content is None:
        raise EncoderMismatch(
            f"The gallery was embedded by {encoder.name}, whose weights are missing: put them back "
            f"at {kept}, or name them in PRECUNEUS_ENCODER__CHECKPOINT."
        )
    _write(kept, bytes(content))
    return kept


def keep_checkpoint(state_dir: Path, checkpoint: Path) -> None:
    """Copy the weights in use into the state folder, whole or not at all."""
    kept = kept_checkpoint(state_dir, checkpoint.stem)
    if not kept.exists():
        _write(kept, checkpoint.read_bytes())


def store_weights(connection: Connection, encoder_id: int, checkpoint: Path) -> None:
    """Put an encoder's file into the database, where every machine finds it."""
    if not has_weights(connection, encoder_id):
        values = {"encoder_id": encoder_id, "file_name": checkpoint.name}
        content = checkpoint.read_bytes()
        stored = insert_or_skip(encoder_weights).values(values | {"content": content})
        connection.execute(stored.on_conflict_do_nothing())


def has_weights(connection: Connection, encoder_id: int) -> bool:
    """Whether the database holds an encoder's weights."""
    of_encoder = encoder_weights.c.encoder_id == encoder_id
    statement = select(func.count()).select_from(encoder_weights).where(of_encoder)
    return bool(connection.scalar(statement))


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; two processes may do so at once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.part")
    draft.write_bytes(content)
    draft.replace(path)
