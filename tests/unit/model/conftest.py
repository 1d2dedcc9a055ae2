"""What tests of the embedder begin with."""

from collections.abc import Iterator

import pytest
import torch

from model.checkpoint import Checkpoint, load
from tests.unit.model.made import network, saved


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Weights of the small network."""
    return load(saved(tmp_path_factory.mktemp("weights"), network()))


@pytest.fixture
def cores(request: pytest.FixtureRequest) -> Iterator[int]:
    """As many threads for torch as the parameter says, while the test runs."""
    usual = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(usual)
