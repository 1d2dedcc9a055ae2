"""The option `--device` of commands that compute with the encoder."""

from enum import StrEnum
from typing import Annotated

import typer


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


DeviceOption = Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")]
