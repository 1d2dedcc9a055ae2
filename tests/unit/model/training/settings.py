"""Settings of training runs that a test can afford."""

from model.training.config import (
    AugmentConfig,
    LossConfig,
    SamplingConfig,
    ScheduleConfig,
    TrainConfig,
)
from tests.unit.model.made import TINY

STILL = AugmentConfig(
    strip=0.0,
    flip=False,
    rotation_degrees=0.0,
    max_scale=1.0,
    max_aspect=1.0,
    shift=0.0,
    focus=0.0,
    gamma=0.0,
    gain=0.0,
    offset=0.0,
    bias_field=0.0,
    noise=0.0,
    cut_out=0.0,
)
"""No variation at all."""

QUICK = TrainConfig(
    network=TINY,
    augment=AugmentConfig(flip=False, cut_out=0.0, rotation_degrees=10.0),
    loss=LossConfig(lesion_map=0.5, plane=0.1),
    sampling=SamplingConfig(batch_size=8),
    schedule=ScheduleConfig(epochs=4, peak_learning_rate=5e-3, ema_decay=0.9, precision="float32"),
    data_statement="drawn blobs",
)
"""Four epochs of a tiny network."""
