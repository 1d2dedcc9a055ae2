"""A gallery to search by uploads, regions and examples, behind a real HTTP server."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from service.decoding import DecodePool
from service.settings import HttpSettings
from tests.support.databases import fresh_database
from tests.support.uploads import UploadGallery, upload_gallery


@pytest.fixture(scope="module")
def gallery(
    cluster_url: str, tmp_path_factory: pytest.TempPathFactory, decode_pool: DecodePool
) -> Iterator[UploadGallery]:
    """A gallery that tests only read; uploads of more than 1 MiB are refused."""
    http = HttpSettings(maximum_upload_mb=1, upload_timeout_s=20)
    folder = tmp_path_factory.mktemp("uploads")
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        with upload_gallery(engine, url, folder, decode_pool, http) as made:
            yield made
        engine.dispose()
