"""hnswlib and usearch: the same graph in this process's memory, without rows, SQL or a server.

Built with the service's own m and ef_construction, and searched as narrowly as reaches the recall
that is demanded of all.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.errors import BenchmarkError, PeerMissing
from benchmarks.query.answers import K, Numbers, Truth
from benchmarks.query.slices import SLICES_PER_PATIENT, MadeUpSlices
from service.encoders.partitions import HNSW_EF_CONSTRUCTION, HNSW_M

LEAST_RECALL = 0.99
_WIDTHS = (10, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768, 1024, 2048, 4096)


@dataclass(frozen=True)
class Library:
    """One library's index over the slices; the number of a slice is its key."""

    name: str
    find: Callable[[Any, int], Sequence[int]]
    widen: Callable[[int], None]
    build_s: float
    index_bytes: int


@dataclass(frozen=True)
class Rival:
    """A library searching at the width that was needed, with the query's patient or without.

    Neither library knows patients: it is asked for as many more as a patient has slices, and those
    are dropped. A filter called back for each slice that is met is slower, at the same recall.
    """

    library: Library
    slices: MadeUpSlices
    width: int
    other_patients: bool

    def widen(self) -> None:
        """Set the library to this width, which another search may have changed."""
        self.library.widen(self.width)

    def __call__(self, query: int) -> list[int]:
        """The numbers of the nearest slices."""
        vector = self.slices.coordinates[query]
        if not self.other_patients:
            found = self.library.find(vector, K + 1)
            return [n for n in found if n != query][:K]
        found = self.library.find(vector, K + SLICES_PER_PATIENT)
        patient = query // SLICES_PER_PATIENT
        return [n for n in found if n // SLICES_PER_PATIENT != patient][:K]


def tuned(library: Library, slices: MadeUpSlices, queries: Numbers, truth: Truth) -> Rival:
    """The library at the least width whose recall on `queries` suffices.

    Raises:
        BenchmarkError: none does.
    """
    for width in _WIDTHS:
        library.widen(width)
        rival = Rival(library, slices, width, truth.other_patients)
        if truth.recall({query: rival(query) for query in queries.tolist()}) >= LEAST_RECALL:
            return rival
    raise BenchmarkError(f"{library.name} stays below a recall of {LEAST_RECALL}")


def libraries(slices: MadeUpSlices, folder: Path) -> Iterator[Library]:
    """Those that are installed; indexes found in `folder` are loaded, new ones kept there."""
    for open_library in (_hnswlib, _usearch):
        with suppress(PeerMissing):
            yield open_library(slices, folder)


def _hnswlib(slices: MadeUpSlices, folder: Path) -> Library:
    try:
        import hnswlib  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise PeerMissing(str(error)) from None
    index = hnswlib.Index("l2", slices.recipe.dimension)
    kept = folder / "hnswlib.index"
    if kept.exists():
        index.load_index(str(kept))
    else:
        started = perf_counter()
        index.init_index(len(slices), HNSW_EF_CONSTRUCTION, HNSW_M)
        index.add_items(slices.coordinates)
        _note(kept, perf_counter() - started)
        index.save_index(str(kept))

    def find(vector: Any, count: int) -> Sequence[int]:
        found: list[int] = index.knn_query(vector, count, 1)[0][0].tolist()
        return found

    # It refuses to search more narrowly than it is asked for.
    name = f"hnswlib {version('hnswlib')}"
    return Library(name, find, index.set_ef, *_facts(kept))


def _usearch(slices: MadeUpSlices, folder: Path) -> Library:
    try:
        from usearch.index import Index  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise PeerMissing(str(error)) from None
    index = Index(
        ndim=slices.recipe.dimension,
        metric="l2sq",
        dtype="f32",
        connectivity=HNSW_M,
        expansion_add=HNSW_EF_CONSTRUCTION,
    )
    kept = folder / "usearch.index"
    if kept.exists():
        index.load(str(kept))
    else:
        started = perf_counter()
        index.add(np.arange(len(slices)), slices.coordinates)
        _note(kept, perf_counter() - started)
        index.save(str(kept))

    def find(vector: Any, count: int) -> Sequence[int]:
        found: list[int] = index.search(vector, count, threads=1).keys.tolist()
        return found

    return Library(
        f"usearch {version('usearch')}",
        find,
        lambda width: setattr(index, "expansion_search", width),
        *_facts(kept),
    )


def _note(kept: Path, seconds: float) -> None:
    """How long building took, for runs that load what was built."""
    kept.with_suffix(".seconds").write_text(str(seconds))


def _facts(kept: Path) -> tuple[float, int]:
    """How long building took, and how large the index is."""
    return float(kept.with_suffix(".seconds").read_text()), kept.stat().st_size
