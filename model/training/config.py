"""What fixes a training run, as plain data; no torch, no files."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from model.network_config import MSNetConfig
from model.preprocess import PreprocessConfig
from model.training.ranges import check_ranges

_RATIOS = ("max_scale", "max_aspect")


@dataclass(frozen=True)
class AugmentConfig:
    """How far each variation of a slice goes; zero, or 1.0 for a ratio, switches one off.

    Angles in degrees; shifts, elastic bends and the cut-out's side are shares of the picture's
    side; `focus` is the share of slices that are blurred or sharpened, `strip` of those whose outer
    rim is taken away, as skull stripping does; the others are shares of the full intensity. `calm`
    is how far all of them go in the calm epochs of the schedule, 1.0 as far as before.
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
    calm: float = 1.0

    def calmed(self) -> "AugmentConfig":
        """The same of the calm epochs; mirror images stay."""
        reaches = {f.name: getattr(self, f.name) for f in fields(self)}
        del reaches["flip"], reaches["calm"]
        for name, reach in reaches.items():
            ratio = name in _RATIOS
            reaches[name] = reach**self.calm if ratio else reach * self.calm
        return replace(self, **reaches)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; zero switches one off, and softmax alone is the paper's loss.

    `contrastive` works on the embedding, `lesion_map` on the third scale of slices of which it is
    known where the lesion is or that they show none, `plane` on the embedding where planes are
    known.
    """

    label_smoothing: float = 0.05
    contrastive: float = 0.5
    temperature: float = 0.1
    lesion_map: float = 1.0
    plane: float = 0.1


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

    `calm` is a share of the epochs, rounded down to whole ones, at the end: there the rate climbs
    and falls once more, slices vary less, and the moving average begins anew. It climbs to
    `calm_learning_rate`, but no higher than to the peak of other epochs before, if there are any.
    `precision` is that of the convolutions; weights, losses and validation stay float32. To
    `settle` is to give the averaged network's batch norms, after the last step, the statistics of
    the training slices as they are, without augmentation.
    """

    epochs: int = 60
    peak_learning_rate: float = 2e-3
    calm: float = 0.0
    calm_learning_rate: float = 3e-4
    warm_up: float = 0.15
    weight_decay: float = 0.05
    ema_decay: float = 0.998
    clip_norm: float = 5.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    settle: bool = False
    seed: int = 1

    @property
    def lively_epochs(self) -> int:
        """Epochs before the calm ones."""
        # A product such as 90 * 0.7 lies just below the whole number that is meant.
        return self.epochs - int(round(self.epochs * self.calm, 6))


@dataclass(frozen=True)
class HashConfig:
    """Binary codes beside the embedding; `bits` 0 is none, else 64, 128 or 256.

    A head learns them in every step of a run, from embeddings that it cannot change; at the end it
    is polished in `steps` on the averaged network's embeddings. `quantisation` pulls outputs
    towards -1 and 1.
    """

    bits: int = 0
    steps: int = 400
    learning_rate: float = 0.01
    quantisation: float = 0.1


# The dataclasses' own defaults are what files of older versions mean by leaving something out.
_NETWORK = MSNetConfig(stem_block=2, depths=(1, 2, 5), dilations=(1, 2, 4, 2, 1), mirrored=True)
_PREPROCESS = PreprocessConfig(size=192)
_AUGMENT = AugmentConfig(calm=0.3)
_SCHEDULE = ScheduleConfig(epochs=66, calm=0.1, settle=True)


@dataclass(frozen=True)
class TrainConfig:
    """A training run: same config, data and machine give the same weights.

    What is left out is as in the default recipe, whose file says why. Raises TrainingError for a
    number that is out of range.
    """

    network: MSNetConfig = _NETWORK
    preprocess: PreprocessConfig = _PREPROCESS
    augment: AugmentConfig = _AUGMENT
    loss: LossConfig = field(default_factory=LossConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    schedule: ScheduleConfig = _SCHEDULE
    hash: HashConfig = field(default_factory=HashConfig)
    data_statement: str = ""

    def __post_init__(self) -> None:
        check_ranges(self)

    def identity(self) -> dict[str, Any]:
        """All of it as JSON types, without what older files do not name and is switched off.

        The checkpoint carries this.
        """
        facts: dict[str, Any] = _plain(asdict(self))
        if not self.hash.bits:
            del facts["hash"]
        if not self.schedule.settle:
            del facts["schedule"]["settle"]
        if not self.schedule.calm:
            del facts["schedule"]["calm"], facts["schedule"]["calm_learning_rate"]
            del facts["augment"]["calm"]
        return facts

    def recipe(self) -> dict[str, Any]:
        """What fixes the weights: all but what is said of the data, which may be said anew."""
        facts = self.identity()
        del facts["data_statement"]
        return facts


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out, not what comes of it.

    `compile` lets torch.compile fuse the steps (about a minute at the start; needs a C++ compiler
    on a CPU). Validation happens every `validate_every` epochs and at the end. `tensorboard` writes
    an event file beside the CSV file. `start_saw_none` is the user's word that the checkpoint to
    begin with has seen nobody whom the run validates on; it counts only where nothing else tells.
    """

    device: str = "cpu"
    threads: int | None = None
    compile: bool = False
    validate_every: int = 5
    tensorboard: bool = True
    start_saw_none: bool = False


@dataclass(frozen=True)
class EpochMetrics:
    """One line of metrics.csv.

    Validation figures are None in epochs without validation, that of the codes in runs without.
    """

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
    hash_loss: float | None = None


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON returns them."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
