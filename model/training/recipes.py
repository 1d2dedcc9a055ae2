"""The training recipes that ship with the package, by name."""

from importlib import resources
from pathlib import Path

from model.checkpoint import Checkpoint
from model.errors import TrainingError
from model.training.config import TrainConfig
from model.training.config_file import Sections, read_overlaid

DEFAULT_RECIPE = "default"
RELEASE_RECIPE = "shipped"
"""What makes the encoders that ship: nobody else's data is what it says."""


def read_recipe(name: str = DEFAULT_RECIPE, start: Checkpoint | None = None) -> TrainConfig:
    """The run described by a TOML file, or by a recipe that ships, called `name`.

    What it leaves out is as in the default recipe, or, of network and preprocessing, as in the
    checkpoint `start`, if there is one. Raises TrainingError if it is neither, or holds something
    unknown.
    """
    path = Path(name)
    if not path.is_file():
        path = _shipped(name)
    between: Sections = {}
    if start is not None:
        between = {"network": start.info.network, "preprocess": start.info.preprocess}
    return read_overlaid(path, _shipped(DEFAULT_RECIPE), between)


def _shipped(name: str) -> Path:
    folder = Path(str(resources.files("model"))) / "recipes"
    known = {file.stem for file in folder.glob("*.toml")}
    if name not in known:
        offered = ", ".join(sorted(known - {RELEASE_RECIPE}))
        raise TrainingError(f"{name} is no file and no recipe; recipes are {offered}")
    return folder / f"{name}.toml"
