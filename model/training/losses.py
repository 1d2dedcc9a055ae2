"""What training minimises beside the softmax: the embedding's order and the lesion's place.

Plain functions of tensors; which of them count, and how much, stands in the run's configuration.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from model.training.batch import Batch
from model.training.config import LossConfig
from model.training.hash import hash_loss
from model.training.heads import HeadOutputs

_LESION_WEIGHT = 4.0  # lesions cover a few per cent of a slice: without it "none" is a good answer


@dataclass(frozen=True)
class Losses:
    """Each loss of one batch by itself, unweighted, and the weighted sum of those before `codes`.

    That of the codes stands apart: it teaches nothing but the hash head.
    """

    total: Tensor
    softmax: Tensor
    contrastive: Tensor
    lesion: Tensor
    plane: Tensor
    codes: Tensor


def total_loss(
    embedding: Tensor,
    heads: HeadOutputs,
    batch: Batch,
    config: LossConfig,
    quantisation: float = 0.0,
) -> Losses:
    """All losses that the configuration switches on; the others are zero.

    `quantisation` is the hash head's, see `HashConfig`.
    """
    softmax = functional.cross_entropy(
        heads.labels, batch.labels, label_smoothing=config.label_smoothing
    )
    contrastive = lesion = plane = codes = torch.zeros((), device=embedding.device)
    if config.contrastive:
        contrastive = supervised_contrastive(embedding, batch.labels, config.temperature)
    if config.lesion_map:
        target = lesion_target(batch.lesions, batch.theta, heads.lesions.shape[-1])
        lesion = lesion_map(heads.lesions, target, batch.lesions_known)
    if config.plane:
        plane = known_plane(heads.planes, batch.planes)
    if heads.codes.shape[1]:
        codes = hash_loss(heads.codes, batch.labels, quantisation)
    total = (
        softmax
        + config.contrastive * contrastive
        + config.lesion_map * lesion
        + config.plane * plane
    )
    return Losses(total, softmax, contrastive, lesion, plane, codes)


def supervised_contrastive(embedding: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Slices of one label attract, all others repel (Khosla et al. 2020, L_out).

    `embedding` is (B, E), of any length, `labels` (B,). The slice itself is no pair. Slices whose
    label occurs once in the batch do not count; without any pair the loss is zero.
    """
    embedding = functional.normalize(embedding, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    likeness = (embedding @ embedding.T / temperature).masked_fill(itself, float("-inf"))
    log_share = likeness - torch.logsumexp(likeness, dim=1, keepdim=True)
    pairs = (labels[:, None] == labels) & ~itself
    count = pairs.sum(dim=1)
    per_slice = -log_share.masked_fill(~pairs, 0.0).sum(dim=1) / count.clamp(min=1)
    usable = count > 0
    return (per_slice * usable).sum() / usable.sum().clamp(min=1)


def lesion_map(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Binary cross entropy of a coarse lesion map, logits and target (B, H, W).

    Only slices count of which is `known` (B,), bool, where their lesion is or that they have none.
    """
    if not known.any():
        return logits.sum() * 0.0
    weight = torch.tensor(_LESION_WEIGHT, device=logits.device)
    return functional.binary_cross_entropy_with_logits(
        logits[known], target[known], pos_weight=weight
    )


def lesion_target(lesions: Tensor, theta: Tensor, side: int) -> Tensor:
    """Where the lesions lie after augmentation: (B, 4) boxes -> (B, side, side) of 0 and 1.

    `lesions` are corners x, y, x, y as shares of the picture before augmentation, NaN for none, and
    `theta` (B, 2, 3) is what `augment` warped by. A lesion is taken as the ellipse in its box.
    """
    grid = functional.affine_grid(theta, [len(lesions), 1, side, side], align_corners=False)
    corners = lesions * 2 - 1
    centre = (corners[:, :2] + corners[:, 2:]) / 2
    radius = ((corners[:, 2:] - corners[:, :2]) / 2).clamp(min=1.5 / side)
    reach = ((grid - centre[:, None, None]) / radius[:, None, None]).square().sum(dim=-1)
    return (reach <= 1).float()


def known_plane(logits: Tensor, planes: Tensor) -> Tensor:
    """Cross entropy of the plane, logits (B, 3), over the slices whose plane is known (>= 0)."""
    known = planes >= 0
    losses = functional.cross_entropy(logits, planes.clamp(min=0), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)
