"""The figures of a gate, in sentences."""

from collections.abc import Iterator
from typing import Any


def gate_lines(gate: dict[str, Any] | None) -> Iterator[str]:
    """What a gate found, line by line; nothing where it was not reached."""
    if gate is None:
        return
    yield "Its gate passed." if gate["passed"] else "Its gate did not pass:"
    for fault in gate["faults"]:
        yield f"  {fault}."
    coverage, recall, ranking = gate["coverage"], gate["recall"], gate["ranking"]
    yield (
        f"coverage: {coverage['covered']} of {coverage['instances']} instances, "
        f"{coverage['failed']} failed, {coverage['waiting']} waiting, {coverage['missing']} missing"
    )
    for reason, count in coverage["reasons"].items():
        yield f"  {count} failed: {reason}"
    if recall is None:
        yield "recall: not measured, since no slice has a neighbour"
    else:
        yield (
            f"recall@{recall['at']} of the index: {recall['recall']:.4f} over "
            f"{recall['queries']} slices, {recall['worst']:.2f} at worst"
        )
    if reach := gate.get("reach"):  # a gate of an earlier release has none
        yield f"out of the index's reach: {reach['lost']} of {reach['looked']} slices"
    if ranking is None:
        yield "mAP: not measured, since too few slices of several patients are labelled"
    else:
        yield (
            f"mAP: {ranking['filled']:.3f}, of the active encoder {ranking['active']:.3f} "
            f"({ranking['queries']} labelled slices, {ranking['labels']} labels)"
        )
