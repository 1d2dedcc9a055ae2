"""What the commands that measure an encoder can be told; each option with its help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ProtocolName(StrEnum):
    """Which slices ask and which are searched."""

    PAPER = "paper"
    FOLDS = "folds"
    UNSEEN = "unseen"
    ALL = "all"


Manifest = Annotated[
    Path,
    typer.Argument(
        help="CSV of labelled slices: file, sop_instance_uid, series_instance_uid, patient_id, "
        "modality, label, fold; where known also group_kind and lesion_box_xyxy.",
        exists=True,
        dir_okay=False,
    ),
]
Encoder = Annotated[
    str, typer.Option(help="default; dev, trained on a fold less, for figures on it; or a file.")
]
Embeddings = Annotated[
    Path | None,
    typer.Option(
        help="Take the embeddings from this file of `gallery export` instead of computing them; "
        "it must be of the same encoder.",
        exists=True,
        dir_okay=False,
    ),
]
ProtocolOption = Annotated[
    ProtocolName,
    typer.Option(
        help="paper: 50 fixed queries a class, its three classes. folds: every slice of the query "
        "folds against the gallery folds. unseen: against the other slices of the query folds, "
        "their own patient left out."
    ),
]
QueryFolds = Annotated[
    str | None,
    typer.Option(metavar="FOLDS", help="As 4 or 4,5; unset: the folds it was not trained on."),
]
GalleryFolds = Annotated[
    str | None,
    typer.Option(metavar="FOLDS", help="As 1,2,3; unset: the folds it was trained on."),
]
TrainedOnFolds = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDS",
        help="Folds it was trained on, for a checkpoint that lists none; or `none`.",
    ),
]
Labels = Annotated[
    str | None, typer.Option(metavar="LABELS", help="Only these labels, with commas between.")
]
Planes = Annotated[
    Path | None,
    typer.Option(
        help="CSV of group,plane for nDCG; unset: the one shipped for the tumour collection.",
        exists=True,
        dir_okay=False,
    ),
]
Controls = Annotated[
    bool,
    typer.Option(
        "--controls/--no-controls",
        help="Measure raw 32x32 pixels, metadata only and shuffled labels beside it.",
    ),
]
Bootstrap = Annotated[
    int, typer.Option(min=0, help="Resamples of the 95 % intervals; 0: no intervals.")
]
Seed = Annotated[int, typer.Option(min=0, help="Chooses the paper's queries and the resamples.")]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", help="Write the figures of every query here, by UID.", dir_okay=False),
]
Plots = Annotated[
    Path | None,
    typer.Option(
        help="Draw curves, confusion, map and sheets into this folder. THE SHEETS SHOW SLICES OF "
        "PATIENTS: not into a repository. Needs the extra `evaluate`.",
        file_okay=False,
    ),
]
Unlike = Annotated[
    Path | None,
    typer.Option(
        help="CSV with the column `file`: images that are unlike every head.",
        exists=True,
        dir_okay=False,
    ),
]
UnlikeFolder = Annotated[
    Path | None, typer.Option(help="Where those lie; unset: beside the CSV.", file_okay=False)
]
WriteEvidence = Annotated[
    Path | None,
    typer.Option(
        "--write",
        help="Write what the encoder brings along to galleries; lay it beside the weights as "
        "<encoder>.evidence.json. Named after another encoder than is measured, it says of that "
        "one that it was trained by the same recipe on these patients, too.",
        dir_okay=False,
    ),
]
