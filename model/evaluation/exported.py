"""Embeddings of a gallery export (.npz) for the slices of a data set, found by SOP Instance UID."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.errors import EvaluationError


@dataclass(frozen=True)
class Export:
    """An export of one encoder's embeddings; `rows` says where each instance's first frame is."""

    path: Path
    rows: Mapping[str, int]

    def refuse_gaps(self, sop_instance_uids: Sequence[str]) -> None:
        """Raise EvaluationError if the export lacks one of these slices."""
        missing = [uid for uid in sop_instance_uids if uid not in self.rows]
        if missing:
            raise EvaluationError(
                f"{self.path.name} lacks {len(missing)} of {len(sop_instance_uids)} slices, first "
                f"{missing[0]}: import them, let the worker embed them, and export again"
            )

    def vectors(self, sop_instance_uids: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) embeddings of these slices, in this order. Raises as `refuse_gaps` does."""
        self.refuse_gaps(sop_instance_uids)
        with np.load(self.path, allow_pickle=False) as archive:
            embeddings: NDArray[np.float32] = archive["embedding"]
        return embeddings[[self.rows[uid] for uid in sop_instance_uids]]


def open_export(path: Path, checkpoint: Checkpoint) -> Export:
    """What `precuneus gallery export` wrote, if it is of this checkpoint.

    Raises EvaluationError if it is no such archive, if another encoder made the embeddings, or if
    it does not say which one did: figures would then stand under a name that is not theirs.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "encoder_sha256" not in archive.files and "embedding" in archive.files:
                raise EvaluationError(
                    f"{path.name} does not say which encoder its embeddings are of: export the "
                    "gallery again with this version (`precuneus gallery export`)"
                )
            digest, name = str(archive["encoder_sha256"]), str(archive["encoder_name"])
            uids, frames = archive["sop_instance_uid"].tolist(), archive["frame"].tolist()
    except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"{path.name} is no export of a gallery: {error}") from error
    if digest != checkpoint.digest:
        raise EvaluationError(
            f"{path.name} holds embeddings of {name}, not of {checkpoint.name}: name that encoder "
            "with --encoder, or export a gallery that this one embedded"
        )
    return Export(path, {uid: n for n, uid in enumerate(uids) if frames[n] == 1})
