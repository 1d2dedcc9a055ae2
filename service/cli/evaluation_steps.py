"""What the commands that measure an encoder have in common: their request, plan and slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.cli.output import progress_bar
from service.fold_lists import read_folds
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from model.checkpoint import Checkpoint
    from model.evaluation.plan import Plan, Request
    from model.evaluation.protocols import Protocol
    from service.evaluating import PreparedSlices


def read_request(
    protocols: Sequence[Protocol],
    query_folds: str | None,
    gallery_folds: str | None,
    trained_on_folds: str | None,
    labels: str | None,
    seed: int = 0,
) -> Request:
    """What was asked for in words. Raises InvalidParameter for folds that are no numbers."""
    from model.evaluation.plan import Request

    return Request(
        protocols=tuple(protocols),
        query_folds=read_folds(query_folds),
        gallery_folds=read_folds(gallery_folds),
        trained_on_folds=read_folds(trained_on_folds),
        labels=None if labels is None else tuple(part.strip() for part in labels.split(",")),
        seed=seed,
    )


def make_plan(manifest: Path, checkpoint: Checkpoint, request: Request) -> Plan:
    """The plan for a list of slices. Raises ManifestError, and EvaluationError for all refusals."""
    from model.evaluation import plan
    from model.evaluation.folds import listed_groups
    from model.manifest import read_manifest

    return plan.make_plan(read_manifest(manifest), listed_groups(checkpoint.info), request)


def prepare(
    plan: Plan, request: Request, checkpoint: Checkpoint, planes: Mapping[str, str]
) -> tuple[Plan, PreparedSlices]:
    """Decode and prepare a plan's slices; the plan that comes back is of those that could be.

    Raises InvalidParameter as `prepare_slices` does, and EvaluationError if without the files that
    could not be read the plan no longer holds.
    """
    from dicom_node.configure import configure_pydicom
    from model.evaluation.plan import narrow_plan
    from service.evaluating import prepare_slices

    configure_pydicom()
    with progress_bar() as bar:
        task = bar.add_task("decoding", total=len(plan.rows))
        prepared = prepare_slices(
            plan.rows,
            checkpoint.info.preprocess,
            planes,
            Settings().worker,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    return narrow_plan(plan, prepared.rows, request), prepared
