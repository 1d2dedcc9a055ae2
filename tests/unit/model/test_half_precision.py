"""What half precision costs is measured against the exact encoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import checkpoint
from model.checkpoint import load
from model.embedder import Embedder
from model.errors import CheckpointError
from model.half_precision import half_precision_error
from tests.unit.model.made import info, network, saved, slices


def test_it_is_what_the_stored_halves_cost(tmp_path: Path) -> None:
    path, pictures = saved(tmp_path, network()), slices(6)
    exact = load(path)
    half = load(checkpoint.save(tmp_path, exact.weights, info(), dtype="float16"))
    spaces = [Embedder(c) for c in (exact, half)]
    there, here = (e.coordinates(pictures).astype(float) @ e.basis.T for e in spaces)

    found = half_precision_error(path, pictures)

    assert found == pytest.approx(np.linalg.norm(there - here, axis=1).max(), rel=1e-3)
    assert 1e-6 < found < 1e-2


def test_weights_that_are_halves_already_lose_nothing(tmp_path: Path) -> None:
    exact = load(saved(tmp_path, network()))
    half = load(checkpoint.save(tmp_path, exact.weights, info(), dtype="float16"))

    assert half_precision_error(half, slices(3)) < 1e-6


def test_weights_too_large_for_halves_are_named(tmp_path: Path) -> None:
    exact = load(saved(tmp_path, network()))
    large = {**exact.weights, "embedding.weight": exact.weights["embedding.weight"] * 1e6}

    with pytest.raises(CheckpointError, match="too large for float16"):
        half_precision_error(replace(exact, weights=large), slices(1))
