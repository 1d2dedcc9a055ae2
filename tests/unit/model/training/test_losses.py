"""The losses say what their formulas say."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from model.training.batch import Batch
from model.training.config import LossConfig
from model.training.heads import HeadOutputs
from model.training.losses import (
    known_plane,
    lesion_map,
    lesion_target,
    supervised_contrastive,
    total_loss,
)

STAY = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def contrastive_by_hand(embedding: torch.Tensor, labels: list[int], temperature: float) -> float:
    """Khosla et al. 2020, equation 2, written out."""
    unit = functional.normalize(embedding, dim=1)
    losses = []
    for i, label in enumerate(labels):
        others = [a for a in range(len(labels)) if a != i]
        pairs = [p for p in others if labels[p] == label]
        if not pairs:
            continue
        below = sum(math.exp(float(unit[i] @ unit[a]) / temperature) for a in others)
        shares = [math.exp(float(unit[i] @ unit[p]) / temperature) / below for p in pairs]
        losses.append(-sum(math.log(share) for share in shares) / len(pairs))
    return sum(losses) / len(losses)


def test_the_contrastive_loss_is_that_of_its_paper() -> None:
    labels = [0, 1, 0, 2, 1, 0]
    found = supervised_contrastive(drawn(6, 8), torch.tensor(labels), 0.3)

    assert found.item() == pytest.approx(contrastive_by_hand(drawn(6, 8), labels, 0.3), rel=1e-5)


def test_without_pairs_there_is_nothing_to_attract() -> None:
    embedding = drawn(3, 8).requires_grad_()
    loss = supervised_contrastive(embedding, torch.tensor([0, 1, 2]), 0.1)
    loss.backward()

    assert loss.item() == 0
    assert embedding.grad is not None
    assert embedding.grad.isfinite().all()


def test_a_lesion_is_the_ellipse_in_its_box() -> None:
    boxes = torch.tensor([[0.25, 0.5, 0.5, 0.75], [float("nan")] * 4])
    target = lesion_target(boxes, STAY.repeat(2, 1, 1), side=16)

    rows, columns = target[0].nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 11, 4, 7)
    assert target[0].sum() == 12  # the 4 x 4 box without its corners
    assert target[1].sum() == 0


def test_a_lesion_goes_where_the_augmentation_takes_it() -> None:
    mirrored = torch.tensor([[[-1.0, 0, 0], [0, 1.0, 0]]])
    target = lesion_target(torch.tensor([[0.0, 0.0, 0.25, 0.25]]), mirrored, side=16)

    rows, columns = target[0].nonzero(as_tuple=True)
    assert rows.max() <= 3
    assert columns.min() >= 12


def test_a_tiny_lesion_still_leaves_a_mark() -> None:
    target = lesion_target(torch.tensor([[0.5, 0.5, 0.501, 0.501]]), STAY[None], side=8)

    assert target.sum() > 0


def test_a_right_lesion_map_costs_little() -> None:
    target = lesion_target(torch.tensor([[0.2, 0.2, 0.6, 0.6]]), STAY[None], side=8)

    known = torch.ones(1, dtype=torch.bool)

    right = lesion_map((target - 0.5) * 20, target, known)
    nothing = lesion_map(target - 10, target, known)
    assert right < 0.01 < nothing


def test_a_slice_of_which_nobody_said_teaches_no_lesion_map() -> None:
    logits, target = drawn(3, 4, 4).requires_grad_(), (drawn(3, 4, 4, seed=2) > 0).float()
    first_and_last, none = torch.tensor([True, False, True]), torch.zeros(3, dtype=torch.bool)
    loss = lesion_map(logits, target, first_and_last)
    loss.backward()

    assert logits.grad is not None
    assert not logits.grad[1].any()
    assert logits.grad[[0, 2]].all()
    torch.testing.assert_close(loss, lesion_map(logits[::2], target[::2], first_and_last[::2]))
    assert lesion_map(logits, target, none) == 0


def test_where_all_is_known_the_lesion_map_is_that_of_the_whole_batch() -> None:
    logits, target = drawn(3, 4, 4), (drawn(3, 4, 4, seed=2) > 0).float()
    whole = functional.binary_cross_entropy_with_logits(
        logits, target, pos_weight=torch.tensor(4.0)
    )

    assert torch.equal(lesion_map(logits, target, torch.ones(3, dtype=torch.bool)), whole)


def test_unknown_planes_do_not_count() -> None:
    logits = drawn(4, 3)
    some = known_plane(logits, torch.tensor([2, -1, 0, -1]))
    none = known_plane(logits, torch.tensor([-1, -1, -1, -1]))

    torch.testing.assert_close(some, functional.cross_entropy(logits[[0, 2]], torch.tensor([2, 0])))
    assert none == 0


def batch_and_outputs() -> tuple[torch.Tensor, HeadOutputs, Batch]:
    labels = torch.tensor([0, 0, 1, 1])
    boxes = torch.tensor([[0.2, 0.2, 0.6, 0.6]]).repeat(4, 1)
    known = torch.ones(4, dtype=torch.bool)
    batch = Batch(drawn(4, 1, 8, 8), labels, labels, boxes, known, STAY.repeat(4, 1, 1))
    heads = HeadOutputs(drawn(4, 2), drawn(4, 3), drawn(4, 2, 2), drawn(4, 0))
    return drawn(4, 8), heads, batch


def test_softmax_alone_is_the_paper_s_loss() -> None:
    embedding, heads, batch = batch_and_outputs()
    config = LossConfig(label_smoothing=0.0, contrastive=0.0, lesion_map=0.0, plane=0.0)
    losses = total_loss(embedding, heads, batch, config)

    assert losses.total == losses.softmax
    assert losses.total == functional.cross_entropy(heads.labels, batch.labels)
    assert losses.contrastive == losses.lesion == losses.plane == losses.codes == 0


def test_the_total_weighs_its_parts() -> None:
    embedding, heads, batch = batch_and_outputs()
    losses = total_loss(
        embedding, heads, batch, LossConfig(contrastive=0.5, lesion_map=2.0, plane=0.25)
    )
    expected = losses.softmax + 0.5 * losses.contrastive + 2.0 * losses.lesion + 0.25 * losses.plane

    assert min(losses.contrastive, losses.lesion, losses.plane) > 0
    torch.testing.assert_close(losses.total, expected)


def test_the_codes_loss_stands_apart() -> None:
    embedding, heads, batch = batch_and_outputs()
    plain = total_loss(embedding, heads, batch, LossConfig())
    coded = replace(heads, codes=drawn(4, 64).tanh())
    losses = total_loss(embedding, coded, batch, LossConfig(), quantisation=0.1)

    assert losses.codes > 0
    assert losses.total == plain.total
