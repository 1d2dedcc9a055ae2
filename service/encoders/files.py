"""Weights of the gallery's encoders: the configured file, and the copies kept in the state folder.

The gallery keeps a copy of the weights that embedded it, so that a newer program with other weights
goes on embedding into the same space. No torch here.
"""

import shutil
from pathlib import Path

from sqlalchemy import Connection

from model.checkpoint import checkpoint_named
from service.encoders.registry import find_active
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
    """Where the gallery keeps the weights of the encoder called `name`."""
    return state_dir / "encoders" / f"{name}.safetensors"


def choose_checkpoint(connection: Connection, state_dir: Path, configured: Path) -> Path:
    """The weights to embed with: the active encoder's where there is one, else `configured`.

    Raises:
        EncoderMismatch: the gallery has an active encoder, and its weights are nowhere.
    """
    active = find_active(connection)
    if active is None or configured.stem == active.name:
        return configured
    kept = kept_checkpoint(state_dir, active.name)
    if not kept.exists():
        raise EncoderMismatch(
            f"The gallery was embedded by {active.name}, whose weights are missing: put them back "
            f"at {kept}, or name them in PRECUNEUS_ENCODER__CHECKPOINT."
        )
    return kept


def keep_checkpoint(state_dir: Path, checkpoint: Path) -> None:
    """Copy the weights in use into the state folder, whole or not at all."""
    kept = kept_checkpoint(state_dir, checkpoint.stem)
    if kept.exists():
        return
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = kept.with_suffix(".part")
    shutil.copyfile(checkpoint, draft)
    draft.replace(kept)
