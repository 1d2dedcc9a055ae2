"""Encoders of more coordinates than an index takes: how they lie, and how they are searched."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from model.checkpoint import load, save
from model.embedder import Embedder
from model.turning import LEADING, TURN, WIDE, leading_directions
from service.embedders import register_file
from service.encoders.partitions import MAXIMUM_DIMENSION, indexed_dimension
from service.encoders.registry import load_basis
from service.search.filters import Filters
from service.search.nearest import nearest
from service.search.target import Target, find_slice
from service.settings import Settings
from tests.support.encoders import tiny_checkpoint
from tests.support.projected import WIDE as MADE_DIMENSION
from tests.support.projected import plain_wide_encoder, wide_encoder, wide_slices
from tests.support.search_galleries import SearchGallery, make_slices, search_gallery

K = 10
ASKED = 40


@pytest.fixture(scope="module", params=["principal", "any"])
def order(request: pytest.FixtureRequest) -> str:
    """Whether the leading coordinates tell more than others."""
    return str(request.param)


@pytest.fixture(scope="module")
def gallery(
    order: str, cluster_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SearchGallery]:
    made = make_slices(patients=40)
    encoder = wide_encoder(made) if order == "principal" else plain_wide_encoder()
    folder = tmp_path_factory.mktemp("projected")
    with search_gallery(cluster_url, folder, wide_slices(made, encoder), encoder) as filled:
        yield filled


def test_coordinates_lie_out_of_line_and_the_index_holds_the_leading_ones(
    gallery: SearchGallery,
) -> None:
    with gallery.engine.connect() as connection:
        storage, index, longest = connection.execute(
            text(
                "SELECT (SELECT attstorage::text FROM pg_attribute WHERE attname = 'coordinates'"
                " AND attrelid = to_regclass(:table)), pg_get_indexdef(to_regclass(:index)),"
                f" (SELECT max(vector_dims(coordinates)) FROM {gallery.encoder.partition})"
            ),
            {"table": gallery.encoder.partition, "index": f"{gallery.encoder.partition}_hnsw_idx"},
        ).one()
    assert storage == "e"
    assert "subvector(coordinates, 1, 256)" in index
    assert longest == gallery.encoder.dimension == MADE_DIMENSION


def test_a_checkpoint_s_directions_lead_in_the_index(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    """What the gallery keeps of an encoder is the basis that its workers compute with."""
    plain = load(tiny_checkpoint(tmp_path, widths=(4, 8, 2000)))
    pictures = np.random.default_rng(1).random((30, 32, 32)).astype(np.float32)
    directions = leading_directions(Embedder(plain).coordinates(pictures))
    file = save(tmp_path / "turned", {**plain.weights, TURN: directions}, plain.info)
    encoder = register_file(engine, settings, file)
    embedder = Embedder(load(file))
    with engine.connect() as connection:
        assert np.array_equal(load_basis(connection, encoder.encoder_id), embedder.basis)
    assert encoder.is_projected
    assert WIDE == MAXIMUM_DIMENSION
    assert indexed_dimension(encoder.dimension) == LEADING
    coordinates = embedder.coordinates(pictures)
    assert coordinates[:, :LEADING].var(axis=0).sum() > 0.999 * coordinates.var(axis=0).sum()


def test_a_walk_vouches_for_what_it_finds_and_no_neighbour_is_lost(
    gallery: SearchGallery, order: str
) -> None:
    numbers = gallery.numbers()
    patients = np.array([one.patient for one in gallery.made])
    walks, lost = 0, 0
    for number in np.random.default_rng(2).choice(len(gallery.made), ASKED, replace=False):
        with gallery.engine.connect() as connection:
            found = find_slice(connection, gallery.made[number].sop_instance_uid, 1)
            quick = nearest(connection, found[0], Target.of(found[1]), Filters(), k=K)
        distances = gallery.distances(int(number))
        others = np.sort(distances[patients != patients[number]])
        places = [numbers[one.sop_instance_uid] for one in quick.neighbours]
        assert np.allclose([n.distance for n in quick.neighbours], distances[places], atol=2e-5)
        lost += int((distances[places] > others[K - 1] + 2e-5).sum())
        walks += quick.method == "hnsw"
    assert lost <= 0.01 * K * ASKED
    # Leading coordinates that tell little prove little: then the answer is found exactly.
    assert walks >= ASKED / 2 if order == "principal" else walks < ASKED / 2


def test_the_walk_goes_by_the_index(gallery: SearchGallery) -> None:
    uid = gallery.made[0].sop_instance_uid
    with gallery.engine.connect() as connection:
        encoder, target = find_slice(connection, uid, 1)
        count = text("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = :index")
        scans = {"index": f"{encoder.partition}_hnsw_idx"}
        before = connection.scalar(count, scans)
        nearest(connection, encoder, Target.of(target), Filters(), k=K)
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        connection.rollback()
        assert connection.scalar(count, scans) > before
