"""`precuneus model explain`: why an encoder finds two slices alike, as a picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.evaluate_options import Encoder
from service.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint
    from service.explained import Explained

_File = typer.Argument(exists=True, dir_okay=False, help="A DICOM file.")
_FrameNumber = Annotated[int, typer.Option(min=1, help="Which frame of it, from 1.")]


def explain(
    first: Annotated[Path, _File],
    second: Annotated[Path, _File],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Draw both slices side by side, with heat over them, into this PNG file. IT SHOWS "
            "SLICES OF PATIENTS: not into a repository.",
            dir_okay=False,
        ),
    ] = None,
    encoder: Encoder = "default",
    frame: _FrameNumber = 1,
    other_frame: _FrameNumber = 1,
    json: JsonOption = False,
) -> None:
    """Show where in two slices their similarity comes from.

    docs/explanations.md says how to read it.

    Example: precuneus model explain A.dcm B.dcm --out ~/why.png
    """
    from model.checkpoint import load
    from model.patient_pictures import refuse_repository, write_picture
    from service.encoder_files import encoder_path

    if out is not None:
        refuse_repository(out.parent)
    checkpoint = load(encoder_path(encoder))
    found = _explain(((first, frame), (second, other_frame)), checkpoint, picture=out is not None)
    if out is not None and found.png is not None:
        write_picture(out, found.png)
        typer.secho(f"{out} shows slices of patients: treat it as patient data.", err=True)
    if json:
        print_json({name: value for name, value in asdict(found).items() if name != "png"})
    else:
        _print(found)


def _explain(
    frames: tuple[tuple[Path, int], tuple[Path, int]], checkpoint: Checkpoint, *, picture: bool
) -> Explained:
    from dicom_node.configure import configure_pydicom
    from model.explanation.explainer import Explainer
    from service.explaining_process import explain_with
    from service.showing import read_shown

    configure_pydicom()
    config = checkpoint.info.preprocess
    first, second = (read_shown(path, number, config) for path, number in frames)
    return explain_with(Explainer(checkpoint), first, second, picture=picture)


def _print(found: Explained) -> None:
    typer.echo(f"Similarity {found.similarity:.3f} (cosine) by {found.encoder}.")
    for name, side in (("first", found.first), ("second", found.second)):
        scales = ", ".join(f"{value:+.3f}" for value in side.scales)
        typer.echo(
            f"{name}: hottest at x {side.hottest[0]:.0f}, y {side.hottest[1]:.0f}; "
            f"original, 1/2 and 1/4 scale add {scales}; the constant {side.constant:+.3f}"
        )
