"""The file that an interrupted run leaves: whether it is there, whole, and of the same run."""

from pathlib import Path
from typing import Any

import torch

from model.errors import TrainingError
from model.training.config import TrainConfig
from model.training.origin import Origin
from model.training.run_identity import RunIdentity, changed_settings

RESUME_FILE = "resume.pt"


def holds_run(folder: Path) -> bool:
    """Whether a run has been in the folder for an epoch at least."""
    return (folder / RESUME_FILE).exists()


def read_run(folder: Path, device: str = "cpu") -> dict[str, Any]:
    """What the run left. Raises TrainingError if the file is damaged or of another version."""
    path = folder / RESUME_FILE
    try:
        saved: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises whatever the damaged bytes lead it to
        raise TrainingError(f"{path} is damaged; remove it to start anew") from error
    try:
        saved["identity"] = RunIdentity.from_document(saved["identity"])
        saved["origin"] = None if saved["origin"] is None else Origin(**saved["origin"])
    except (KeyError, TypeError) as error:
        raise TrainingError(
            f"{path} is of another version, which did not tell what the run learnt from; "
            "choose another folder"
        ) from error
    return saved


def refuse_other_run(folder: Path, now: RunIdentity, then: RunIdentity) -> None:
    """Raises TrainingError, naming what differs, unless the run may go on."""
    _refuse(folder, now.differences(then))


def refuse_other_settings(folder: Path, config: TrainConfig, start: Origin | None) -> Origin | None:
    """The same as far as it can be told before any slice is read; what the run began with.

    Raises TrainingError if the folder holds a run with another configuration or beginning.
    """
    saved = read_run(folder)
    _refuse(folder, changed_settings(config.recipe(), saved["identity"].recipe))
    origin: Origin | None = saved["origin"]
    refuse_other_start(folder, start, origin)
    return origin


def refuse_other_start(folder: Path, start: Origin | None, began: Origin | None) -> None:
    """Raises TrainingError if a run is to begin with another checkpoint than it did.

    Without a `start` it goes on with what it began with.
    """
    began_with = "random weights" if began is None else began.name
    if start is not None and start.name != began_with:
        raise TrainingError(
            f"{folder} holds a run that began with {began_with}, not with {start.name}; "
            "choose another folder"
        )


def _refuse(folder: Path, changed: list[str]) -> None:
    if changed:
        raise TrainingError(
            f"{folder} holds another run: {'; '.join(changed)}. "
            "Go on with what that run began with, or choose another folder"
        )
