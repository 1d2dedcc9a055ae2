"""Searches against NumPy on the exported embeddings: any filter, k, page size and collapse."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.search.filters import Filters
from service.search.found import Neighbour
from service.search.similar import MAXIMUM_K, Query, similar
from tests.support.encoders import made_encoder
from tests.support.projected import wide_encoder, wide_slices
from tests.support.search_galleries import (
    FIRST_DAY,
    SearchGallery,
    make_slices,
    search_gallery,
)

EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CLOSE = 2e-5
PAGES = 4


@pytest.fixture(scope="module", params=["whole", "projected"])
def gallery(
    request: pytest.FixtureRequest, cluster_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SearchGallery]:
    """One whose index holds the coordinates, and one whose index holds the leading 256 of 2,500."""
    made, encoder = make_slices(), made_encoder()
    if request.param == "projected":
        made = make_slices(patients=50)
        encoder = wide_encoder(made)
        made = wide_slices(made, encoder)
    with search_gallery(cluster_url, tmp_path_factory.mktemp("search"), made, encoder) as filled:
        yield filled


def some_of(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Mostly nothing, else one value or two."""
    some = st.lists(st.sampled_from(values), min_size=1, max_size=2).map(tuple)
    return st.one_of(st.just(()), st.just(()), some)


def maybe(low: int, high: int) -> st.SearchStrategy[int | None]:
    return st.one_of(st.none(), st.none(), st.none(), st.integers(low, high))


@st.composite
def filters(draw: st.DrawFn) -> Filters:
    ages, days = (
        sorted(n for n in (draw(maybe(0, 100)), draw(maybe(0, 100))) if n is not None)
        for _ in range(2)
    )
    dates = [FIRST_DAY + timedelta(days=7 * day) for day in days]
    return Filters(
        modality=draw(some_of("CT", "MR", "mr", "PT")),
        label=draw(some_of("disease 0", "disease 1", "disease 2", "rare", "unheard of")),
        body_part=draw(some_of("head", "NECK", "knee")),
        manufacturer=draw(some_of("siemens", "GE", "philips")),
        plane=draw(some_of("AXIAL", "coronal", "SAGITTAL", "OBLIQUE")),
        patient_sex=draw(some_of("F", "m", "O")),
        series_description=draw(st.sampled_from([None, None, None, "AX", "%_", "\\", "t1"])),
        study_date_from=dates[0] if dates else None,
        study_date_to=dates[1] if len(dates) > 1 else None,
        age_from=ages[0] if ages else None,
        age_to=ages[1] if len(ages) > 1 else None,
    )


queries = st.builds(
    Query,
    sop_instance_uid=st.just(""),
    k=st.one_of(st.integers(1, 20), st.integers(1, 120)),
    same_patient=st.booleans(),
    filters=st.one_of(st.just(Filters()), filters()),
    exact=st.booleans(),
    collapse=st.sampled_from(("none", "series", "patient")),
)


def pages_of(gallery: SearchGallery, query: Query) -> list[Neighbour]:
    """The neighbours of up to four pages, one after the other."""
    found: list[Neighbour] = []
    for _ in range(PAGES):
        with gallery.engine.connect() as connection:
            answer = similar(connection, query)
        assert answer.complete
        assert answer.method == "exact" or not query.exact
        found += answer.neighbours
        if answer.next_cursor is None:
            break
        assert len(answer.neighbours) == min(query.k, MAXIMUM_K)
        query = replace(query, cursor=answer.next_cursor)
    return found


def groups_of(gallery: SearchGallery, query: Query) -> NDArray[np.int64]:
    """What each slice is of: itself, its series or its patient (who has one series here)."""
    if query.collapse == "none":
        return np.arange(len(gallery.made))
    return np.array([one.patient for one in gallery.made])


def expected(gallery: SearchGallery, query: Query, number: int) -> NDArray[np.float64]:
    """The distance of every group that passes, of others at least at infinity; by group."""
    passing = gallery.passing(query.filters)
    passing[number] = False
    if not query.same_patient:
        passing &= np.array([m.patient != gallery.made[number].patient for m in gallery.made])
    distances = np.where(passing, gallery.distances(number), np.inf)
    best = np.full(len(gallery.made), np.inf)
    np.minimum.at(best, groups_of(gallery, query), distances)
    return best


def lost(gallery: SearchGallery, query: Query, number: int) -> tuple[int, int]:
    """How many of the nearest an answer lacks, and how many there are; else it must be right."""
    query = replace(query, sop_instance_uid=gallery.made[number].sop_instance_uid)
    found = pages_of(gallery, query)
    numbers = gallery.numbers()
    groups = groups_of(gallery, query)[[numbers[n.sop_instance_uid] for n in found]]
    best = expected(gallery, query, number)
    exist = int(np.isfinite(best).sum())
    assert len(found) == min(exist, PAGES * query.k, MAXIMUM_K)
    assert len(set(groups.tolist())) == len(found)
    keys = [(n.distance, n.sop_instance_uid, n.frame) for n in found]
    assert keys == sorted(keys)
    assert [n.rank for n in found] == list(range(1, len(found) + 1))
    told = np.array([n.distance for n in found])
    # Of an exact answer each is the nearest of its group; none is nearer than there are.
    slack = best[groups] - told
    assert np.all(np.abs(slack) < CLOSE) if query.exact else np.all(slack < CLOSE)
    horizon = np.sort(best)[: len(found)].max(initial=0.0)
    return int((best[groups] > horizon + CLOSE).sum()), len(found)


@EXAMPLES
@given(query=queries, where=st.floats(0, 1, exclude_max=True))
def test_any_search_is_sorted_distinct_filtered_and_never_short(
    gallery: SearchGallery, query: Query, where: float
) -> None:
    missing, of = lost(gallery, query, int(where * len(gallery.made)))
    # One search may lose a neighbour to the graph; the share over many is measured below.
    assert missing == 0 if query.exact else missing <= max(1, of // 10)


# What each keeps of the slices: all, all near ones, none of the near ones, and ever fewer.
KINDS = {
    "nothing": Filters(),
    "a common fact of slices": Filters(plane=("AXIAL", "CORONAL")),
    "a common fact of series": Filters(manufacturer=("Siemens", "GE")),
    "a modality": Filters(modality=("MR",)),
    "the other modality": Filters(modality=("CT",)),
    "a disease": Filters(label=("disease 1",)),
    "a few series": Filters(body_part=("NECK",), series_description="t1"),
    "one patient": Filters(age_from=42, age_to=42),
}


@pytest.mark.parametrize("collapse", ["none", "series"])
@pytest.mark.parametrize("kind", KINDS)
def test_recall_is_kept_whatever_a_filter_keeps(
    gallery: SearchGallery, kind: str, collapse: str
) -> None:
    asked = np.random.default_rng(11).choice(len(gallery.made), 25, False)
    query = Query("", k=10, filters=KINDS[kind], collapse=collapse)  # type: ignore[arg-type]
    counts = [lost(gallery, query, int(number)) for number in asked]
    assert sum(of for _, of in counts) > 0
    assert sum(missing for missing, _ in counts) <= 0.01 * sum(of for _, of in counts)
