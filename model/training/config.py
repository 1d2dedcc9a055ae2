"""What fixes a training run, readable from one TOML file; plain data, no torch."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from model.errors import TrainingError
from model.network_config import MSNetConfig
from model.preprocess import PreprocessConfig


@dataclass(frozen=True)
class AugmentConfig:
    """How far each variation of a slice goes; zero, or 1.0 for a ratio, switches one off.

    Angles in degrees; shifts, elastic bends and the cut-out's side are shares of the picture's
    side; `focus` is the share of slices that are blurred or sharpened, `strip` of those whose outer
    rim is taken away, as skull stripping does; the others are shares of the full intensity.
    """

    strip: float = 0.1
    flip: bool = True
    rotation_degrees: float = 25.0
    max_scale: float = 1.25
    max_aspect: float = 1.1
    shift: float = 0.07
    elastic: float = 0.0
    focus: float = 0.25
    gamma: float = 0.35
    gain: float = 0.2
    offset: float = 0.06
    bias_field: float = 0.25
    noise: float = 0.04
    cut_out: float = 0.2


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; zero switches one off, and softmax alone is the paper's training.

    `contrastive` works on the embedding, `lesion_map` on the third scale where boxes are known,
    `plane` on the embedding where planes are known.
    """

    label_smoothing: float = 0.05
    contrastive: float = 0.5
    temperature: float = 0.1
    lesion_map: float = 1.0
    plane: float = 0.0


@dataclass(frozen=True)
class SamplingConfig:
    """How batches are drawn: groups first, then `slices_per_group` of each.

    A label of n slices is drawn in proportion to n ** (1 - class_balance), a group of m slices to
    m ** (1 - group_balance).
    """

    batch_size: int = 64
    slices_per_group: int = 2
    class_balance: float = 0.5
    group_balance: float = 0.5


@dataclass(frozen=True)
class ScheduleConfig:
    """How long and how fast: a straight climb to the peak rate, then half a cosine to zero.

    `precision` is that of the convolutions; weights, losses and validation stay float32.
    """

    epochs: int = 60
    peak_learning_rate: float = 2e-3
    warm_up: float = 0.15
    weight_decay: float = 0.05
    ema_decay: float = 0.998
    clip_norm: float = 5.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    seed: int = 1


@dataclass(frozen=True)
class HashConfig:
    """Binary codes beside the embedding, learnt at the end of a run; `bits` 0 is none.

    `bits` may be 64, 128 or 256. `quantisation` pulls outputs towards -1 and 1.
    """

    bits: int = 0
    steps: int = 400
    learning_rate: float = 0.01
    quantisation: float = 0.1


@dataclass(frozen=True)
class TrainConfig:
    """A training run: same config, data and machine give the same weights."""

    network: MSNetConfig = field(default_factory=MSNetConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    hash: HashConfig = field(default_factory=HashConfig)
    data_statement: str = ""

    def identity(self) -> dict[str, Any]:
        """All of it as JSON types; the checkpoint carries this."""
        facts: dict[str, Any] = _plain(asdict(self))
        if not self.hash.bits:
            del facts["hash"]
        return facts


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out, not what comes of it.

    `compile` lets torch.compile fuse the steps (about a minute at the start; needs a C++ compiler
    on a CPU). Validation happens every `validate_every` epochs and at the end. `tensorboard` writes
    an event file beside the CSV file.
    """

    device: str = "cpu"
    threads: int | None = None
    compile: bool = False
    validate_every: int = 5
    tensorboard: bool = True


@dataclass(frozen=True)
class EpochMetrics:
    """One line of metrics.csv. Validation figures are None in epochs without validation."""

    epoch: int
    loss: float
    softmax_loss: float
    contrastive_loss: float
    lesion_loss: float
    plane_loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    validation_map: float | None = None
    validation_precision_at_10: float | None = None


def read_config(path: Path) -> TrainConfig:
    """The run described by a TOML file; what it leaves out keeps its default.

    Raises TrainingError if the file cannot be read or holds a name or value that is unknown.
    """
    config: TrainConfig = _parse(TrainConfig, read_document(path), path.name)
    return config


def read_overlaid(path: Path, base: Path) -> TrainConfig:
    """The run described by a TOML file; what it leaves out is as in the file `base`.

    Raises TrainingError as `read_config` does.
    """
    document, changes = read_document(base), read_document(path)
    for name, value in changes.items():
        below = document.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            document[name] = below | value
        else:
            document[name] = value
    config: TrainConfig = _parse(TrainConfig, document, path.name)
    return config


def read_document(path: Path) -> dict[str, Any]:
    """A TOML file as it is. Raises TrainingError if it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path.name} is no TOML: {error}") from error


def _parse(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """A dataclass from a table, section by section."""
    hints = get_type_hints(kind)
    if unknown := values.keys() - {f.name for f in fields(kind)}:
        raise TrainingError(f"{where}: unknown {', '.join(sorted(unknown))}")
    arguments = {}
    for name, value in values.items():
        expected = hints[name]
        if is_dataclass(expected) and isinstance(expected, type):
            if not isinstance(value, Mapping):
                raise TrainingError(f"{where}: {name} is a section, not a value")
            arguments[name] = _parse(expected, value, f"{where} [{name}]")
        elif expected in (int, float, bool, str) and not _fits(value, expected):
            raise TrainingError(f"{where}: {name} is no {expected.__name__}")
        elif get_origin(expected) is Literal and value not in get_args(expected):
            raise TrainingError(f"{where}: {name} is none of {', '.join(get_args(expected))}")
        elif get_origin(expected) is tuple and not _are_numbers(value, get_args(expected)):
            raise TrainingError(f"{where}: {name} is no list of as many numbers as it needs")
        else:
            arguments[name] = tuple(value) if isinstance(value, list) else value
    return kind(**arguments)


def _fits(value: object, expected: type) -> bool:
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is expected


def _are_numbers(value: object, kinds: tuple[Any, ...]) -> bool:
    """Whether a list fits tuple[int, ...] or tuple[float, float]."""
    if not isinstance(value, list) or (Ellipsis not in kinds and len(value) != len(kinds)):
        return False
    return all(_fits(item, kinds[0]) for item in value)


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON returns them."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
