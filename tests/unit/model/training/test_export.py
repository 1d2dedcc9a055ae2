"""What a checkpoint says of the run that made it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import GroupKind, hash_group, load
from model.dataset import Dataset
from model.embedder import Embedder
from model.hashing import binary_codes
from model.training.config import HashConfig, TrainConfig
from model.training.export import export
from model.training.origin import Origin
from model.training.state import TrainingState
from model.training.train import fit
from model.turning import LEADING, TURN
from tests.unit.model.made import dataset
from tests.unit.model.training.runs import OPTIONS, TRAIN_SET, run, scheduled
from tests.unit.model.training.settings import QUICK


def test_a_checkpoint_s_recipe_has_the_network_of_its_weights(tmp_path: Path) -> None:
    network = replace(QUICK.network, mirrored=True, drop_path=0.1)
    path, _ = run(replace(scheduled(epochs=1), network=network), tmp_path)
    info = load(path).info

    assert info.network == network
    assert info.training["network"] == TrainConfig(network=network).identity()["network"]
    assert info.training["network"]["mirrored"] is True


def finished(train_set: Dataset, folder: Path) -> TrainingState:
    return fit(scheduled(epochs=1), train_set, None, folder, lambda _: None, OPTIONS)


OWN, OTHERS = (hash_group("patient 5-0"), hash_group("patient 5-1")), ("00112233445566ff",)


@pytest.mark.parametrize(
    ("named_by", "origin", "trained_on", "kind"),
    [
        ("patient_id", None, OWN, "patient_id"),
        ("patient_key", None, OWN, "patient_key"),
        ("patient_id", Origin("m", OTHERS), (*OWN, *OTHERS), "patient_id"),
        ("patient_key", Origin("m", OTHERS), (*OWN, *OTHERS), "patient_key"),
        ("patient_id", Origin("m", OTHERS, "patient_key"), (*OWN, *OTHERS), "patient_key"),
        ("patient_id", Origin("m", ()), (), "patient_id"),
    ],
)
def test_it_tells_what_its_list_of_patients_can_be_held_against(
    tmp_path: Path,
    named_by: GroupKind,
    origin: Origin | None,
    trained_on: tuple[str, ...],
    kind: GroupKind,
) -> None:
    """A list with unknown parts must not pass for whole, nor keys for IDs."""
    train_set = replace(dataset(8, seed=5), named_by=named_by)
    state = finished(train_set, tmp_path)
    state.origin = origin
    info = load(export(state, train_set, tmp_path)).info

    assert (info.trained_on, info.group_kind) == (tuple(sorted(trained_on)), kind)


def test_it_forgets_whom_it_was_trained_on_if_asked(tmp_path: Path) -> None:
    state = finished(TRAIN_SET, tmp_path)
    remembering = load(export(state, TRAIN_SET, tmp_path))
    forgetting = load(export(state, TRAIN_SET, tmp_path, forget_patients=True))

    assert len(remembering.info.trained_on) == 16
    assert replace(remembering.info, trained_on=()) == forgetting.info
    assert remembering.weights.keys() == forgetting.weights.keys()


WIDE_NETWORK = replace(QUICK.network, widths=(4, 8, 2000), embedding_dim=4096)


def test_of_a_wide_network_the_leading_coordinates_tell_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as an index holds; its codes are those that it would have had, too."""
    config = replace(scheduled(epochs=1), network=WIDE_NETWORK, hash=HashConfig(bits=64, steps=0))
    state = fit(config, TRAIN_SET, None, tmp_path / "run", lambda _: None, OPTIONS)
    turned = load(export(state, TRAIN_SET, tmp_path / "turned"))
    monkeypatch.setattr("model.training.export.WIDE", 10_000)
    plain = load(export(state, TRAIN_SET, tmp_path / "plain"))
    assert turned.weights.keys() - plain.weights.keys() == {TURN}

    others = dataset(60, seed=9).images
    after, before = (Embedder(found).coordinates(others) for found in (turned, plain))
    apart, as_far = (np.linalg.norm(found[:, None] - found, axis=2) for found in (after, before))
    np.testing.assert_allclose(apart, as_far, atol=1e-4)
    led = after[:, :LEADING].var(axis=0).sum() / after.var(axis=0).sum()
    assert led > 0.99
    assert led > before[:, :LEADING].var(axis=0).sum() / before.var(axis=0).sum()
    same = binary_codes(after, turned) ^ binary_codes(before, plain)
    assert np.bitwise_count(same).mean() < 0.1  # of eight bits
