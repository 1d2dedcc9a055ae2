"""Binary codes follow the labels, and cost the embedding nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from model.checkpoint import load
from model.embedder import Embedder
from model.errors import CheckpointError, TrainingError
from model.hashing import binary_codes, hamming_distances
from model.training.config import EpochMetrics, HashConfig, TrainConfig
from model.training.hash import fit_hash, hash_loss, layer_of
from model.training.heads import HashHead
from tests.unit.model.made import dataset, network, saved
from tests.unit.model.training.runs import TRAIN_SET, Interrupted, interrupt_at, train
from tests.unit.model.training.settings import QUICK

CONFIG = HashConfig(bits=64, steps=60)


def clusters(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of three labels whose clusters overlap."""
    labels = np.arange(count) % 3
    middles = np.random.default_rng(0).normal(size=(3, 24))
    points = middles[labels] + 1.5 * np.random.default_rng(seed).normal(size=(count, 24))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), labels


def test_nearest_codes_have_the_same_label_far_beyond_chance() -> None:
    points, labels = clusters(300, seed=1)
    others, other_labels = clusters(150, seed=2)
    layer = fit_hash(points, labels, CONFIG, seed=1)

    gallery = np.packbits(points @ layer.weight.T + layer.bias > 0, axis=1)
    queries = np.packbits(others @ layer.weight.T + layer.bias > 0, axis=1)
    nearest = np.argsort(hamming_distances(queries, gallery), axis=1, kind="stable")[:, :10]
    precision = (labels[nearest] == other_labels[:, None]).mean()

    assert gallery.shape == (300, 8)
    assert precision > 0.6  # chance is a third


def test_learning_beats_the_hyperplanes_it_began_with() -> None:
    points, labels = clusters(300, seed=1)
    known = torch.from_numpy(labels)

    def loss(steps: int) -> float:
        layer = fit_hash(points, labels, replace(CONFIG, steps=steps), seed=1)
        outputs = torch.tanh(torch.from_numpy(points @ layer.weight.T + layer.bias))
        return hash_loss(outputs, known, 0.0).item()

    assert loss(60) < 0.8 * loss(0)


def test_codes_of_one_label_alone_are_no_fault() -> None:
    outputs = torch.zeros(4, 8, requires_grad=True)
    hash_loss(outputs, torch.zeros(4), 0.1).backward()

    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


def test_distances_count_bits() -> None:
    codes = np.array([[0b00000000, 0b1], [0b11110000, 0b0]], np.uint8)

    np.testing.assert_array_equal(hamming_distances(codes, codes), [[0, 5], [5, 0]])


@pytest.mark.parametrize("bits", [1, 63, 512])
def test_other_lengths_are_refused(bits: int) -> None:
    with pytest.raises(TrainingError, match="64, 128 or 256"):
        fit_hash(*clusters(9, seed=1), HashConfig(bits=bits), seed=1)


QUICKER = replace(QUICK, schedule=replace(QUICK.schedule, epochs=2))


def test_a_checkpoint_carries_the_layer_and_embeds_as_without(tmp_path: Path) -> None:
    train_set = dataset(64)

    def trained(name: str, config: TrainConfig) -> Path:
        return train(config, train_set, None, tmp_path / name, lambda _: None)

    plain = load(trained("plain", QUICKER))
    hashed = load(trained("hashed", replace(QUICKER, hash=replace(CONFIG, bits=128))))
    coordinates = Embedder(hashed).coordinates(train_set.images)
    codes = binary_codes(coordinates, hashed)
    apart = hamming_distances(codes, codes)
    same = train_set.labels[:, None] == train_set.labels

    assert hashed.info.training["hash"]["bits"] == 128
    assert codes.shape == (64, 16)
    assert apart[same].mean() < 0.7 * apart[~same].mean()
    # To the bit: nothing of the head reaches what it learns from, were its gradient ever so long.
    np.testing.assert_array_equal(coordinates, Embedder(plain).coordinates(train_set.images))


def test_the_head_learns_beside_the_others(tmp_path: Path) -> None:
    config = replace(
        QUICK, hash=replace(CONFIG, steps=0), schedule=replace(QUICK.schedule, epochs=6)
    )
    seen: list[EpochMetrics] = []
    path = train(config, TRAIN_SET, None, tmp_path, seen.append)
    losses = [metrics.hash_loss for metrics in seen]

    assert losses[0] is not None
    assert losses[-1] is not None
    assert losses[-1] < 0.8 * losses[0]
    # Without polish, the layer of the checkpoint is the head of the run.
    loaded = load(path)
    codes = binary_codes(Embedder(loaded).coordinates(TRAIN_SET.images), loaded)
    apart = hamming_distances(codes, codes)
    same = TRAIN_SET.labels[:, None] == TRAIN_SET.labels
    assert apart[same].mean() < 0.8 * apart[~same].mean()


def test_no_gradient_of_the_codes_reaches_the_embedding() -> None:
    torch.manual_seed(1)
    head = HashHead(24, 64)
    embedding = torch.randn(8, 24, requires_grad=True)
    hash_loss(head(embedding), torch.arange(8) % 2, 0.1).backward()

    assert embedding.grad is None
    assert head.planes.weight.grad is not None
    assert head.planes.weight.grad.abs().sum() > 0


def test_the_layer_of_a_head_says_what_the_head_says() -> None:
    torch.manual_seed(1)
    head, basis = HashHead(48, 64), torch.linalg.qr(torch.randn(48, 24))[0]
    coordinates = functional.normalize(torch.randn(100, 24) + 0.3, dim=1)
    soft = head(coordinates @ basis.T).detach().numpy()
    planes = head.planes.weight.detach().numpy()
    layer = layer_of(planes, basis.double().numpy(), coordinates.numpy())
    codes = np.tanh(coordinates.numpy() @ layer.weight.T + layer.bias)

    np.testing.assert_allclose(codes, soft, atol=1e-3)


def test_a_run_with_a_head_is_taken_up_again(tmp_path: Path) -> None:
    config = replace(QUICKER, hash=CONFIG)
    whole = load(train(config, TRAIN_SET, None, tmp_path / "whole", lambda _: None))
    with pytest.raises(Interrupted):
        train(config, TRAIN_SET, None, tmp_path / "parts", interrupt_at(1))
    parts = load(train(config, TRAIN_SET, None, tmp_path / "parts", lambda _: None))

    assert parts.digest == whole.digest


def test_an_encoder_without_the_layer_says_so(tmp_path: Path) -> None:
    loaded = load(saved(tmp_path, network()))
    with pytest.raises(CheckpointError, match="without a hash layer"):
        binary_codes(np.zeros((1, 29), np.float32), loaded)
