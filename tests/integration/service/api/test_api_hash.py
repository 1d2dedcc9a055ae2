"""Searches by codes over REST."""

from service.hashing.filling import drop_active_codes, make_codes
from service.settings import Settings
from tests.integration.service.api.conftest import Filled


def test_the_api_goes_by_codes_when_asked(filled: Filled, settings: Settings) -> None:
    path = f"/v1/instances/{filled.embedded[0].sop_instance_uid}/similar"
    refused = filled.client.get(path, params={"method": "hash"})
    assert refused.status_code == 422
    assert "precuneus index hash" in refused.json()["detail"]
    make_codes(filled.engine, settings, 64)
    try:
        found = filled.client.get(path, params={"method": "hash"}).json()
        assert (found["method"], len(found["neighbours"])) == ("hash", 5)
        assert filled.client.get(path).json()["method"] != "hash"
        assert filled.client.get(path, params={"method": "magic"}).status_code == 422
    finally:
        drop_active_codes(filled.engine)
