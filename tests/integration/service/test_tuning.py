"""The doctor's advice, on real servers and galleries."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from service.encoders.registry import ActiveEncoder
from service.finding import Finding
from service.postgres import Cluster
from service.settings import DatabaseSettings, Settings
from service.tuning.advice import advise
from service.tuning.build_advice import advise_build
from service.tuning.building import HNSW_M, Building, graph_bytes, use_for_building
from service.tuning.gallery import current_settings, gallery_size
from service.tuning.huge_pages import advise_huge_pages
from service.tuning.index_build import prepare_session
from service.tuning.standbys import examine_standbys
from tests.support.galleries import clustered_instances, fill
from tests.support.waiting import eventually


def findings(engine: Engine, *, embedded: bool = True) -> dict[str, Finding]:
    url = None if embedded else engine.url.render_as_string(hide_password=False)
    settings = Settings(_env_file=None, database={"url": url})  # type: ignore[call-arg,arg-type]
    with engine.connect() as connection:
        return {found.subject: found for found in advise(connection, settings)}


def test_the_embedded_server_is_set_as_the_machine_allows(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    found = findings(engine)
    assert found["database settings"].verdict == "ok"
    assert "shared_buffers" in found["database settings"].detail
    assert found["index in memory"].verdict == "ok"
    assert "the index fits" in found["index in memory"].detail


def test_what_a_build_is_set_to_is_said(engine: Engine, encoder: ActiveEncoder) -> None:
    own, another = findings(engine)["index build"], findings(engine, embedded=False)["index build"]
    assert "maintenance_work_mem to 64 MB" in own.detail
    assert another.verdict == "ok"
    assert "built in memory" in another.detail


def test_another_server_with_too_little_memory_for_a_build(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    with engine.connect() as connection:
        size = replace(gallery_size(connection, encoder), rows=1_000_000)
        url = engine.url.render_as_string(hide_password=False)
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            database={"url": url},  # type: ignore[arg-type]
            reindex={"index_memory_mb": 64},  # type: ignore[arg-type]
        )
        found = advise_build(connection, size, encoder, settings)
    assert (found.verdict, "INDEX_MEMORY_MB to" in found.remedy) == ("note", True)


def test_huge_pages_are_advised_where_the_index_is_large(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    with engine.connect() as connection:
        small = gallery_size(connection, encoder)
        found = advise_huge_pages(connection, small)
        if found is None or "lies in them" in found.detail:
            pytest.skip("the system has no huge pages, or the server has them")
        assert found.verdict == "ok"
        large = advise_huge_pages(connection, replace(small, index_bytes=1 << 30))
        buffers = int(current_settings(connection, ["shared_buffers"])["shared_buffers"])
    assert large is not None
    assert large.verdict == "note"
    pages = int(large.remedy.split("vm.nr_hugepages=")[1].split("`")[0])
    # shared_buffers, and a little that goes with them.
    assert buffers < pages * (2 << 20) < 1.5 * buffers + (256 << 20)


def test_before_the_first_encoder_only_settings_are_judged(engine: Engine) -> None:
    assert set(findings(engine)) == {"database settings"}


def test_an_administrators_settings_are_named_with_the_reason(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "state")
    with cluster.running():
        pass
    local = cluster.data_dir.parent / "local.conf"
    local.write_text("jit = on\nshared_buffers = 16MB\n")
    local.chmod(0o644)
    try:
        with cluster.running() as url:
            engine = create_engine(url)
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE encoder (encoder_id int, digest text)"))
                connection.execute(text("ALTER TABLE encoder ADD name text, ADD dimension int"))
                connection.execute(text("ALTER TABLE encoder ADD state text"))
            found = findings(engine)["database settings"]
            engine.dispose()
    finally:
        cluster.remove()
    assert found.verdict == "note"
    assert "shared_buffers is 16 MB, should be" in found.detail
    assert "jit is on, should be off: compiling" in found.detail


def test_the_gallery_is_measured_by_the_server(engine: Engine, encoder: ActiveEncoder) -> None:
    fill(engine, clustered_instances(patients=20, slices_each=10), encoder)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE embedding"))
        connection.execute(text(f"VACUUM ANALYZE {encoder.partition}"))

        def is_counted() -> bool:
            return gallery_size(connection, encoder).rows == 200

        eventually(is_counted, "the server counted the rows")
        size = gallery_size(connection, encoder)
    assert size.index_bytes > 200 * 4 * encoder.dimension
    assert size.searched_bytes == size.table_bytes + size.index_bytes


def test_a_build_gets_its_settings_for_one_transaction(engine: Engine) -> None:
    with engine.connect() as connection:
        before = connection.scalar(text("SHOW maintenance_work_mem"))
        use_for_building(connection, Building(0, 100 << 20, 1))
        assert connection.scalar(text("SHOW maintenance_work_mem")) == "100MB"
        assert connection.scalar(text("SHOW max_parallel_maintenance_workers")) == "1"
        connection.rollback()
        assert connection.scalar(text("SHOW maintenance_work_mem")) == before


def test_a_reindex_builds_in_memory_and_leaves_cores_to_searches(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET maintenance_work_mem = '1MB'"))
        prepare_session(connection, encoder, settings, settings.reindex.index_processes)
        assert connection.scalar(text("SHOW maintenance_work_mem")) == "64MB"
        assert connection.scalar(text("SHOW max_parallel_maintenance_workers")) == "0"
        connection.invalidate()


def test_a_standby_that_does_not_answer_is_a_note(engine: Engine) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    database = DatabaseSettings.model_validate({"replica_urls": [url]})
    (found,) = examine_standbys(engine, database)
    assert (found.subject, found.verdict) == ("standby 127.0.0.1:1", "note")


def test_the_primary_itself_is_no_standby(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    database = DatabaseSettings.model_validate({"replica_urls": [url]})
    (found,) = examine_standbys(engine, database)
    assert found.verdict == "wrong"
    assert found.remedy


def test_a_wrong_url_of_a_standby_is_told(engine: Engine) -> None:
    database = DatabaseSettings.model_validate({"replica_urls": ["mysql://host/none"]})
    (found,) = examine_standbys(engine, database)
    assert found.verdict == "wrong"
    assert "REPLICA_URLS" in found.remedy


def test_an_encoders_partition_is_cleaned_up_early(engine: Engine, encoder: ActiveEncoder) -> None:
    with engine.connect() as connection:
        options = connection.scalar(
            text("SELECT reloptions FROM pg_class WHERE relname = :name"),
            {"name": encoder.partition},
        )
    assert "autovacuum_vacuum_scale_factor=0.05" in options


def test_a_graph_takes_the_memory_that_is_foretold(engine: Engine) -> None:
    """pgvector says when a graph outgrows its memory, and goes on slowly."""
    rows, dimension = 2000, 225

    def outgrows(memory: int) -> bool:
        cursor.execute(f"SET LOCAL maintenance_work_mem = '{memory >> 10}kB'")
        cursor.execute("SET LOCAL max_parallel_maintenance_workers = 0")
        del raw.notices[:]
        cursor.execute(
            "CREATE INDEX many_hnsw ON many USING hnsw (coordinates halfvec_l2_ops)"
            f" WITH (m = {HNSW_M}, ef_construction = 64)"
        )
        cursor.execute("DROP INDEX many_hnsw")
        return any("no longer fits" in notice for notice in raw.notices)

    raw = engine.raw_connection().driver_connection
    assert raw is not None
    cursor = raw.cursor()
    cursor.execute(f"CREATE TEMPORARY TABLE many (coordinates halfvec({dimension}))")
    cursor.execute(
        f"INSERT INTO many SELECT ARRAY(SELECT random() FROM generate_series(1, {dimension})"
        f" WHERE row > 0)::vector::halfvec FROM generate_series(1, {rows}) AS row"
    )
    needed = graph_bytes(rows, 2 * dimension)
    assert not outgrows(needed * 12 // 10)
    assert outgrows(needed * 7 // 10)
    raw.close()
