"""How many slices go through the network at once, so that activations stay bounded.

On a CPU few are best: maps that leave the cache on their way from one convolution to the next cost
more than a larger batch gains, and with glibc's allocator far more. A GPU wants many.
"""

from typing import Literal

from model.network_config import MSNetConfig

Precision = Literal["float32", "bfloat16"]

# Of the widest map of all slices of a micro-batch. 4 MiB is what two cores' caches hold of it.
_CPU_BYTES = 4 * 2**20
_CUDA_BYTES = 512 * 2**20
_CPU_MOST = 32
_CUDA_MOST = 256


def widest_map_bytes(config: MSNetConfig, size: int, precision: Precision = "float32") -> int:
    """Bytes of the largest activation of one slice of `size` pixels a side."""
    side = size // config.stem_block
    numbers = [width * (side >> scale) ** 2 for scale, width in enumerate(config.widths)]
    return max(numbers) * (4 if precision == "float32" else 2)


def micro_batch_for(
    config: MSNetConfig, size: int, device_type: str, precision: Precision = "float32"
) -> int:
    """Slices at once on a device of that type ("cpu" or "cuda"), at least 1."""
    each = widest_map_bytes(config, size, precision)
    if device_type == "cpu":
        return max(1, min(_CPU_MOST, _CPU_BYTES // each))
    fitting = max(1, min(_CUDA_MOST, _CUDA_BYTES // each))
    return 1 << (fitting.bit_length() - 1)  # CUDA graphs are made for powers of two
