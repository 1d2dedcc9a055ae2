"""Activations stay bounded, whatever the size of the pictures."""

import pytest

from model.micro_batch import micro_batch_for, widest_map_bytes
from model.network_config import MSNetConfig


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("size", [16, 128, 224, 256, 512])
def test_activations_stay_within_the_budget(size: int, device: str) -> None:
    config = MSNetConfig()
    count = micro_batch_for(config, size, device)
    budget = {"cpu": 4 * 2**20, "cuda": 512 * 2**20}[device]

    assert 1 <= count <= 256
    assert device == "cpu" or count.bit_count() == 1
    assert count == 1 or count * widest_map_bytes(config, size) <= budget


def test_the_widest_map_may_lie_at_any_scale() -> None:
    plain = MSNetConfig(widths=(32, 64, 128))

    assert widest_map_bytes(plain, 224) == 224 * 224 * 32 * 4
    assert widest_map_bytes(plain, 224, "bfloat16") == 224 * 224 * 32 * 2
    assert widest_map_bytes(MSNetConfig(widths=(8, 64, 128)), 128) == 64 * 64 * 64 * 4
    assert widest_map_bytes(MSNetConfig(widths=(8, 16, 512)), 128) == 32 * 32 * 512 * 4


def test_a_stem_that_gathers_pixels_leaves_room_for_more_slices() -> None:
    plain, gathering = MSNetConfig(), MSNetConfig(stem_block=2)

    assert micro_batch_for(gathering, 256, "cpu") == micro_batch_for(plain, 128, "cpu")
    assert micro_batch_for(plain, 256, "cpu") == 1
