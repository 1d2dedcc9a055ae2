"""Many requests at once, more than there are threads or connections."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import create_engine

from dicom_node.files import ObjectStore
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder
from service.settings import Settings
from tests.integration.service.api.conftest import resources_of
from tests.support.galleries import MadeInstance, clustered_instances, fill
from tests.support.serving import serving

MADE = clustered_instances(5, 4)
# More than the 40 threads, each of which would wait for one of three connections.
_AT_ONCE = 100


@pytest.fixture
def address(
    settings: Settings, encoder: ActiveEncoder, store: ObjectStore, decode_pool: DecodePool
) -> Iterator[str]:
    """A gallery behind a server that has few connections, and gives up waiting for one soon."""
    assert settings.database.url is not None
    url = settings.database.url.get_secret_value()
    engine = create_engine(url, pool_size=1, max_overflow=2, pool_timeout=5)
    fill(engine, MADE, encoder)
    with serving(resources_of(engine, store, decode_pool)) as client:
        yield str(client.base_url)
    engine.dispose()


def about(made: MadeInstance) -> list[str]:
    instance = f"/v1/instances/{made.sop_instance_uid}"
    return [instance, f"{instance}/labels", f"{instance}/evidence", f"{instance}/similar"]


@pytest.mark.parametrize("path", about(MADE[0]))
def test_nobody_in_a_crowd_is_turned_away(address: str, path: str) -> None:
    async def ask() -> list[int]:
        limits = httpx.Limits(max_connections=_AT_ONCE)
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
            answers = await asyncio.gather(*(client.get(path) for _ in range(_AT_ONCE)))
        return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200] * _AT_ONCE
