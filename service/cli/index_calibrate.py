"""`precuneus index calibrate`: measures how far the gallery's distances can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import JsonOption, print_json, print_table
from service.settings import Settings

if TYPE_CHECKING:
    from service.calibration.figures import Calibration
    from service.encoders.registry import ActiveEncoder


def calibrate(
    encoder: Annotated[
        str | None, typer.Option(help="An encoder's name; unset: the active one.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure distances, weights and their error on the gallery's own patients, and keep them.

    The node does this by itself when slices or labels have come: within minutes in a small gallery,
    once a day in a large one. Takes seconds, at most a minute. docs/evidence.md explains the
    figures.

    Example: precuneus index calibrate --json
    """
    from service.calibration.run import calibrate_gallery
    from service.opening import open_gallery

    settings = Settings()
    with open_gallery(settings) as engine:
        found_encoder, found = calibrate_gallery(engine, settings, encoder)
    if json:
        print_json(_document(found_encoder, found))
    else:
        _print(found_encoder, found)


def _document(encoder: ActiveEncoder, found: Calibration) -> dict[str, object]:
    from service.calibration.figures import to_document

    document = to_document(found)
    return {"encoder": encoder.name, "computed_at": found.computed_at, **document}


def _print(encoder: ActiveEncoder, found: Calibration) -> None:
    rows: list[tuple[str, object]] = [
        ("patients, slices drawn", f"{found.patients}, {found.slices}"),
        *((f"patients with {label}", count) for label, count in sorted(found.labels.items())),
    ]
    for name, quantiles in found.distances.items():
        told = f"{quantiles.distances[0]:.3f} to {quantiles.distances[-1]:.3f}"
        rows.append((f"distances of unrelated patients, {name}", told))
    if found.novelty is not None:
        told = f"{found.novelty.threshold:.3f} ({found.novelty.false_alarms:.0%} false alarms)"
        rows.append(("nothing similar from, off the gallery's slices", told))
    if found.evidence is not None:
        weighing, evidence = found.evidence.weighing, found.evidence
        rows += [
            ("temperature, empty seat", f"{weighing.temperature:.4f}, {weighing.seat_distance:g}"),
            ("expected calibration error", f"{evidence.ece:.3f}"),
            ("measured on", f"{evidence.questions} slices of {evidence.patients} patients"),
            ("measured by", f"the {evidence.origin}: {evidence.protocol}"),
        ]
    print_table(f"Calibration of {encoder.name}", ("what", "figure"), rows)
    for remark in found.remarks:
        typer.echo(remark)
