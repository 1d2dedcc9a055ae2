"""What `precuneus model train` can be told; each option with its help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Shipped(StrEnum):
    """The encoders that ship with the program."""

    DEFAULT = "default"
    DEV = "dev"


Manifest = Annotated[
    Path | None,
    typer.Argument(
        help="CSV of labelled slices with a fold each; see docs/training.md.",
        exists=True,
        dir_okay=False,
    ),
]
FromGallery = Annotated[
    bool, typer.Option("--from-gallery", help="Train on the gallery's own labelled slices.")
]
LabelSource = Annotated[
    list[str] | None,
    typer.Option(help="With --from-gallery: only labels of this source (may be repeated)."),
]
StudyLabels = Annotated[
    bool,
    typer.Option("--study-labels", help="With --from-gallery: slices take their study's label."),
]
Config = Annotated[
    str | None,
    typer.Option(help="TOML file, or a recipe: default, finish, softmax.", show_default=False),
]
TrainFolds = Annotated[
    str | None, typer.Option(help="Folds to train on, as 1,2,3; unset: all that do not validate.")
]
ValidationFolds = Annotated[
    str | None, typer.Option(help="Folds to watch; none, or unset: no validation.")
]
Out = Annotated[
    Path, typer.Option(help="Folder for checkpoint, metrics and what a resumed run needs.")
]
Planes = Annotated[
    Path | None,
    typer.Option(help="CSV of group,plane, where planes are known.", exists=True, dir_okay=False),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; unset: all cores.")]
Compile = Annotated[
    bool, typer.Option("--compile/--no-compile", help="Fuse the steps with torch.compile.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume/--no-resume", help="Take up what --out holds; off: it must be empty."),
]
From = Annotated[
    Path | None,
    typer.Option("--from", help="Checkpoint to start from.", exists=True, dir_okay=False),
]
FromSawNone = Annotated[
    bool,
    typer.Option(
        "--from-saw-none",
        help="Your word that the checkpoint of --from has seen no patient of the validation.",
    ),
]
ForgetPatients = Annotated[
    bool,
    typer.Option(
        "--forget-patients", help="Keep the list of patients, hashed, out of the checkpoint."
    ),
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Instead of the configuration's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Instead of the configuration's.")]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard/--no-tensorboard", help="Write an event file.")
]
Install = Annotated[
    Shipped | None,
    typer.Option(help="Afterwards replace the encoder that ships under this name.", hidden=True),
]
