"""Memory and workers for a build, on machines of several sizes."""

from service.tuning.building import building, graph_bytes
from service.tuning.machine import Machine

GIB = 1 << 30
MILLION = 1_000_000


def test_a_graph_that_fits_is_built_in_memory_by_all_cores() -> None:
    planned = building(MILLION, 450, Machine(24 * GIB, 12 * GIB, 4), free_shm=12 * GIB)
    assert planned.in_memory
    assert planned.workers == 3
    assert GIB < planned.graph_bytes < planned.memory_bytes < 3 * GIB


def test_shared_memory_that_is_too_small_leaves_one_core_to_build() -> None:
    machine = Machine(24 * GIB, 64 << 20, 4)
    planned = building(MILLION, 450, machine, free_shm=64 << 20)
    assert planned.in_memory
    assert planned.workers == 0


def test_without_shared_memory_one_core_builds() -> None:
    assert building(1000, 450, Machine(24 * GIB, None, 4), free_shm=0).workers == 0


def test_no_more_than_half_of_the_memory_is_taken() -> None:
    planned = building(10 * MILLION, 450, Machine(8 * GIB, 4 * GIB, 2), free_shm=4 * GIB)
    assert not planned.in_memory
    assert planned.memory_bytes == 4 * GIB


def test_an_empty_gallery_needs_no_more_than_the_least() -> None:
    planned = building(0, 450, Machine(GIB, GIB, 2), free_shm=GIB)
    assert (planned.graph_bytes, planned.memory_bytes) == (0, 64 << 20)


def test_the_graph_grows_with_rows_dimensions_and_links() -> None:
    assert graph_bytes(2000, 450) == 2 * graph_bytes(1000, 450)
    assert graph_bytes(1000, 900) > graph_bytes(1000, 450) > graph_bytes(1000, 450, m=16)


def test_memory_that_somebody_says_is_taken_as_it_is() -> None:
    machine = Machine(24 * GIB, 12 * GIB, 4)
    planned = building(MILLION, 450, machine, free_shm=12 * GIB, memory_bytes=GIB)
    assert (planned.memory_bytes, planned.workers, planned.in_memory) == (GIB, 3, False)
    assert building(MILLION, 450, machine, free_shm=GIB, memory_bytes=GIB).workers == 0
