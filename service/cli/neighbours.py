"""Prints what a search found, for people: the neighbours, and what they say about the slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import print_table

if TYPE_CHECKING:
    from service.api.evidence import EvidenceBody
    from service.api.similar import NeighbourBody

EvidenceOption = Annotated[
    bool, typer.Option("--evidence", help="Percentiles, and what the neighbours say; no diagnosis.")
]


def print_neighbours(
    title: str, neighbours: Sequence[NeighbourBody], evidence: EvidenceBody | None
) -> None:
    """Print neighbours, with their percentiles and the evidence where there is any."""
    columns = ["rank", "distance", "labels", "modality", "SOP Instance UID", "frame"]
    rows: list[list[object]] = [
        [n.rank, f"{n.distance:.4f}", ", ".join(n.labels), n.modality, n.sop_instance_uid, n.frame]
        for n in neighbours
    ]
    if evidence is not None:
        columns.insert(2, "percentile")
        for row, neighbour in zip(rows, neighbours, strict=True):
            row.insert(2, _number(neighbour.percentile, 2))
    print_table(title, columns, rows)
    if evidence is not None:
        for line in lines_of(evidence):
            typer.echo(line)


def lines_of(evidence: EvidenceBody) -> Iterator[str]:
    """Evidence in words: no label without its share, and no share without its error."""
    yield evidence.statement
    asked = f"{evidence.labelled_patients} of the {evidence.patients} nearest other patients"
    yield f"{asked} have a label that counts."
    for share in evidence.shares:
        yield (
            f"  {share.label}: {share.share:.2f} of the votes, {share.patients} patients voted; "
            f"{share.in_gallery} in the gallery have it"
        )
    if evidence.shares:
        yield f"  withheld: {_number(evidence.withheld, 2)}"
    found, reliability = evidence.similarity, evidence.reliability
    if evidence.shares and reliability is not None:
        yield (
            f"Expected calibration error {reliability.ece:.3f}, on {reliability.questions} slices "
            f"of {reliability.patients} patients ({reliability.origin})."
        )
    if found.nothing_similar is not None:
        yield (
            f"Off the gallery's own slices by {_number(found.off_gallery, 4)}; nothing is similar "
            f"beyond {_number(found.threshold, 4)}."
        )
    if evidence.percentiles_within is not None:
        yield f"Percentiles compare with unrelated patients within: {evidence.percentiles_within}."
    yield from evidence.remarks


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
