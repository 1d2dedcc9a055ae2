"""Where pictures of patients' slices may be written, and for whose eyes. It draws none."""

import os
from pathlib import Path

from model.errors import EvaluationError


def refuse_repository(folder: Path) -> None:
    """Raise EvaluationError if the folder lies in a git work tree: patients' slices do not."""
    if any((parent / ".git").exists() for parent in (folder.resolve(), *folder.resolve().parents)):
        raise EvaluationError(
            "pictures that show slices of patients are not written into a repository: "
            "choose a folder outside"
        )


def write_picture(path: Path, data: bytes) -> None:
    """Write a picture that only its owner may read; it appears whole or not at all.

    Raises OSError as the disk pleases.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
