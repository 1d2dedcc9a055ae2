"""Per-query figures -> means over labels and queries, with their intervals."""

from collections.abc import Mapping, Sequence

import numpy as np

from model.evaluation.bootstrap import Interval, Resampled, intervals, resample
from model.evaluation.facts import Slices
from model.evaluation.measures import MEASURES, Values
from model.evaluation.per_query import PerQuery
from model.evaluation.report import Figure, LabelReport, Summary


def summarise(found: PerQuery, resamples: int, seed: int) -> Summary:
    """Means of all figures; `resamples` 0 leaves the intervals out.

    There is none either where every resample has the same groups.
    """
    resampled = resample(found.queries, found.values, resamples, seed) if resamples else None
    moving = resampled if resampled and resampled.moves.any() else None
    labels = np.unique(found.queries.labels)
    by_label = [found.queries.labels == label for label in labels]
    return Summary(
        macro=_figures(
            np.mean([found.values[mask].mean(axis=0) for mask in by_label], axis=0),
            np.mean([found.chance[mask].mean(axis=0) for mask in by_label], axis=0),
            intervals(moving.macro) if moving else None,
        ),
        over_queries=_figures(
            found.values.mean(axis=0),
            found.chance.mean(axis=0),
            intervals(moving.queries) if moving else None,
        ),
        labels=tuple(
            _label_report(found, label, _label_intervals(moving, n))
            for n, label in enumerate(labels)
        ),
        first_neighbour=_first_neighbours(found),
        intervals=_units(found.queries, resampled) if resampled else "none",
    )


def _label_intervals(moving: Resampled | None, label: int) -> tuple[Interval, ...] | None:
    return intervals(moving.labels[:, label]) if moving and moving.moves[label] else None


def _label_report(
    found: PerQuery, label: np.int64, between: Sequence[Interval] | None
) -> LabelReport:
    mask = found.queries.labels == label
    return LabelReport(
        label=found.gallery.label_names[label],
        queries=int(mask.sum()),
        query_groups=len(set(found.queries.groups[mask])),
        gallery=int((found.gallery.labels == label).sum()),
        figures=_figures(found.values[mask].mean(axis=0), found.chance[mask].mean(axis=0), between),
        curve=tuple(float(precision) for precision in found.curves[mask].mean(axis=0)),
    )


def _figures(
    values: Values, by_chance: Values, between: Sequence[Interval] | None
) -> dict[str, Figure]:
    return {
        name: Figure(
            value=float(values[n]),
            chance=float(by_chance[n]),
            low=between[n].low if between else None,
            high=between[n].high if between else None,
        )
        for n, name in enumerate(MEASURES)
    }


def _first_neighbours(found: PerQuery) -> Mapping[str, Mapping[str, int]]:
    """The confusion matrix of the nearest slice, all labels of the gallery in each row."""
    gallery, asked = found.gallery, found.queries.labels
    nearest = gallery.labels[found.neighbours[:, 0]]
    return {
        gallery.label_names[label]: {
            gallery.label_names[other]: int(((asked == label) & (nearest == other)).sum())
            for other in np.unique(gallery.labels)
        }
        for label in np.unique(asked)
    }


def _units(queries: Slices, resampled: Resampled) -> str:
    """What a resample draws, and where it therefore tells nothing or too little."""
    known = queries.patient_known
    words = ["95 %, patients resampled"]
    if not known.all():
        unknown = len(set(queries.groups[~known]))
        words = [
            f"95 %, groups resampled: of {unknown} groups the patient is unknown",
            "too narrow if one person has several of them",
        ]
    still = [
        name
        for name, moves in zip(queries.found_labels(), resampled.moves, strict=True)
        if not moves
    ]
    if still:
        alone = "each of their groups is alone with its labels, so every resample has it once"
        words.append(f"none for {', '.join(still)}: {alone}")
    if resampled.fixed and resampled.moves.any():
        words.append(f"the others are too narrow, for {resampled.fixed} groups never change")
    return "; ".join(words)
