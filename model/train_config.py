"""What fixes a training run and what it reports; plain data."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from model.augment import AugmentConfig
from model.network_config import MSNetConfig


@dataclass(frozen=True)
class TrainConfig:
    """A training run: same config, data and machine give the same weights.

    `precision` is that of the convolutions in training; weights and validation stay float32.
    `threads` (None: as torch has it) and `device` do not belong to the run's identity.
    `data_statement` says in the checkpoint what was trained on, and under which terms.
    """

    epochs: int = 36
    batch_size: int = 48
    peak_learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    class_balance: float = 0.5
    ema_decay: float = 0.998
    clip_norm: float = 5.0
    seed: int = 1
    validate_every: int = 4
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    network: MSNetConfig = field(default_factory=MSNetConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    data_statement: str = ""
    threads: int | None = None
    device: str = "cpu"

    def identity(self) -> dict[str, Any]:
        """All that changes the outcome, as JSON types."""
        facts = asdict(self)
        del facts["threads"], facts["device"]
        facts["network"] |= {k: list(facts["network"][k]) for k in ("widths", "depths")}
        return facts


@dataclass(frozen=True)
class EpochMetrics:
    """One line of metrics.csv. Validation figures are None in epochs without validation."""

    epoch: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    validation_map: float | None = None
    validation_precision_at_10: float | None = None
