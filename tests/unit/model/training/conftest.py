"""One thread for torch: these networks are so small that threads only wait for each other.

And one run for all tests that only look at what came of it.
"""

from collections.abc import Iterator

import pytest
import torch

from tests.unit.model.training.runs import Trained, run
from tests.unit.model.training.settings import QUICK


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Four epochs, with validation after the second and at the end."""
    return run(QUICK, tmp_path_factory.mktemp("trained"))
