"""`precuneus model check-explanations`: how far an encoder's explanations can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import evaluate_options as given
from service.cli import evaluation_steps as steps
from service.cli.output import JsonOption, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model.checkpoint import Checkpoint
    from model.dataset import Dataset
    from model.evaluation.faithfulness import Estimate, Faithfulness
    from model.evaluation.plan import Plan

_TUMOURS = "glioma,meningioma,pituitary_tumor"


def check_explanations(
    manifest: given.Manifest,
    encoder: given.Encoder = "dev",
    query_folds: given.QueryFolds = None,
    gallery_folds: given.GalleryFolds = None,
    trained_on_folds: given.TrainedOnFolds = None,
    labels: given.Labels = _TUMOURS,
    pairs: Annotated[
        int | None, typer.Option(min=1, help="Only so many pairs, drawn at random; unset: all.")
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=1, help="Resamples of the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Chooses pairs and resamples.")] = 0,
    json: JsonOption = False,
) -> None:
    """Pointing game and deletion test over queries and their correctly matched nearest neighbours.

    Takes slices with a lesion box; docs/explanations.md says what the figures mean.

    Example: precuneus model check-explanations slices.csv --encoder dev --query-folds 4
    """
    from model.checkpoint import load
    from service.encoder_files import encoder_path

    request = steps.read_request(("folds",), query_folds, gallery_folds, trained_on_folds, labels)
    checkpoint = load(encoder_path(encoder))
    plan = steps.make_plan(manifest, checkpoint, request)
    plan, prepared = steps.prepare(plan, request, checkpoint, {})
    found = _measure(checkpoint, prepared.dataset, plan, pairs, bootstrap, seed)
    _print(found, checkpoint, prepared.unreadable, as_json=json)


def _measure(
    checkpoint: Checkpoint,
    dataset: Dataset,
    plan: Plan,
    pairs: int | None,
    bootstrap: int,
    seed: int,
) -> Faithfulness:
    import numpy as np

    from model.embedder import Embedder
    from model.evaluation.faithfulness import matched_pairs, measure_faithfulness
    from model.explanation.explainer import Explainer

    split = plan.splits[0]
    embed, explainer = Embedder(checkpoint).coordinates, Explainer(checkpoint)
    vectors = embed(dataset.images)
    matched = matched_pairs(dataset, vectors, split.queries, split.gallery)
    usual = vectors[split.gallery].mean(axis=0)
    if pairs is not None:
        drawn = np.random.default_rng(seed).permutation(len(matched))[:pairs]
        matched = matched[np.sort(drawn)]
    with progress_bar() as bar:
        task = bar.add_task("explaining", total=len(matched))
        return measure_faithfulness(
            dataset,
            matched,
            lambda first, second: explainer.explain(first, second, usual),
            embed,
            asked=len(split.queries),
            resamples=bootstrap,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _print(
    found: Faithfulness, checkpoint: Checkpoint, unreadable: Sequence[Path], *, as_json: bool
) -> None:
    from model.evaluation.report import document
    from service.cli.evaluation_tables import print_unreadable

    if as_json:
        identity = {"name": checkpoint.name, "sha256": checkpoint.digest}
        files = [str(path) for path in unreadable]
        print_json({"encoder": identity, "unreadable": files, **document(found)})
        return

    def told(estimate: Estimate) -> str:
        return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"

    rows: list[tuple[str, object]] = [
        ("queries", found.asked),
        ("correctly matched pairs", found.matched),
        ("groups of their queries", found.groups),
        ("points into the query's lesion", told(found.points_in_query)),
        ("points into the neighbour's lesion", told(found.points_in_neighbour)),
        ("a pixel of the head at random would", f"{found.points_by_chance:.3f}"),
        *((f"both slices, {name}", f"{v:.3f}") for name, v in found.points_by_label.items()),
        ("similarity while the hottest pixels go", told(found.deletion)),
        ("the same with random maps", told(found.random_deletion)),
        ("advantage over random maps", told(found.advantage)),
    ]
    print_table(f"Explanations of {checkpoint.name}", ("what", "mean (95 % interval)"), rows)
    print_unreadable(unreadable)
