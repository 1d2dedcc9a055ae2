"""What numbers a run's configuration may hold: a slip is named before anything is read."""

import math
from typing import Any

from model.errors import TrainingError

_MOST = 2**31 - 1  # of whole numbers: seeds are multiplied later
_LARGE = 1e6  # of others
_TINY = 1e-12  # above zero

# Both bounds belong to the range; of a list, every number is meant.
RANGES: dict[str, tuple[float, float]] = {
    "network.in_channels": (1, 1),  # a prepared slice has one
    "network.stem_block": (1, 64),
    "network.widths": (1, 65536),
    "network.depths": (1, 1024),
    "network.dilations": (1, 1024),
    "network.drop_path": (0, 0.99),
    "network.pooled_scales": (0, 2),
    "network.embedding_dim": (1, 65536),
    "preprocess.size": (4, 8192),
    "preprocess.ct_window_hu": (-_LARGE, _LARGE),
    "preprocess.low_percentile": (0, 100),
    "preprocess.high_percentile": (0, 100),
    "augment.strip": (0, 1),
    "augment.rotation_degrees": (0, 180),
    "augment.max_scale": (1, 10),
    "augment.max_aspect": (1, 10),
    "augment.shift": (0, 1),
    "augment.elastic": (0, 1),
    "augment.focus": (0, 1),
    "augment.gamma": (0, 10),
    "augment.gain": (0, 1),
    "augment.offset": (0, 1),
    "augment.bias_field": (0, 1),
    "augment.noise": (0, 1),
    "augment.cut_out": (0, 1),
    "augment.calm": (0, 1),
    "loss.label_smoothing": (0, 1),
    "loss.contrastive": (0, _LARGE),
    "loss.temperature": (1e-3, _LARGE),
    "loss.lesion_map": (0, _LARGE),
    "loss.plane": (0, _LARGE),
    "sampling.batch_size": (2, _MOST),  # a norm of one slice is none
    "sampling.slices_per_group": (1, _MOST),
    "sampling.class_balance": (0, 1),
    "sampling.group_balance": (0, 1),
    "schedule.epochs": (1, _MOST),
    "schedule.peak_learning_rate": (_TINY, _LARGE),
    "schedule.calm": (0, 1),
    "schedule.calm_learning_rate": (_TINY, _LARGE),
    "schedule.warm_up": (0, 1),
    "schedule.weight_decay": (0, _LARGE),
    "schedule.ema_decay": (0, 1 - 1e-9),
    "schedule.clip_norm": (_TINY, _LARGE),
    "schedule.seed": (0, _MOST),
    "hash.steps": (0, _MOST),
    "hash.learning_rate": (_TINY, _LARGE),
    "hash.quantisation": (0, _LARGE),
}
_HASH_BITS = (0, 64, 128, 256)


def check_ranges(config: Any) -> None:
    """Raises TrainingError if a number of a `TrainConfig` is out of range or does not fit."""
    for name, (low, high) in RANGES.items():
        section, value = name.split(".")
        found = getattr(getattr(config, section), value)
        numbers = found if isinstance(found, tuple) else (found,)
        if not numbers or not all(low <= number <= high for number in numbers):  # NaN too
            raise TrainingError(f"[{section}] {value} is not {_words(low, high)}")
    if config.hash.bits not in _HASH_BITS:
        raise TrainingError("[hash] bits is none of 0, 64, 128, 256")
    prepared = config.preprocess
    if prepared.low_percentile >= prepared.high_percentile:
        raise TrainingError("[preprocess] low_percentile is not below high_percentile")
    if prepared.ct_window_hu[0] >= prepared.ct_window_hu[1]:
        raise TrainingError("[preprocess] ct_window_hu does not begin below its end")
    if prepared.size % (multiple := 4 * config.network.stem_block):
        raise TrainingError(f"[preprocess] size is no multiple of {multiple}, as [network] needs")


def _words(low: float, high: float) -> str:
    if low == high:
        return f"{low:g}"
    if high == _LARGE:
        return "above 0" if low == _TINY else f"{low:g} or more"
    if math.isclose(high, 1.0) and high < 1:
        return f"from {low:g} to below 1"
    return f"from {low:g} to {high:.10g}"
