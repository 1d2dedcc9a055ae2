"""Embeddings of a gallery export (.npz) for the slices of a data set, found by SOP Instance UID."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.dataset import Dataset
from model.errors import EvaluationError


def exported_vectors(path: Path, dataset: Dataset) -> NDArray[np.float32]:
    """(N, D) embeddings in the data set's order, of each instance's first frame.

    The archive has sop_instance_uid, frame and embedding, as `precuneus gallery export` writes it.
    Raises EvaluationError if it is no such archive or lacks a slice.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            uids, frames = archive["sop_instance_uid"], archive["frame"]
            embeddings: NDArray[np.float32] = archive["embedding"]
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"{path.name} is no export of a gallery: {error}") from error
    rows = {str(uid): n for n, uid in enumerate(uids) if frames[n] == 1}
    missing = [uid for uid in dataset.sop_instance_uids if uid not in rows]
    if missing:
        raise EvaluationError(
            f"{path.name} lacks {len(missing)} of {len(dataset)} slices, first {missing[0]}: "
            "import them, let the worker embed them, and export again"
        )
    return embeddings[[rows[uid] for uid in dataset.sop_instance_uids]]
