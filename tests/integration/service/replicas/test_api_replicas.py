"""The API with a standby: who asks it sees nothing of which server answered."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from dicom_node.files import ObjectStore
from service.api.deps import Resources
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder
from service.explaining import EncoderFiles
from service.metrics import ApiMetrics
from service.network_process import NetworkProcess
from service.patients import PatientKeyer
from service.settings import EncoderSettings
from tests.support.galleries import MadeInstance, clustered_instances, fill
from tests.support.serving import serving
from tests.support.standbys import Pair
from tests.support.waiting import eventually

NEW = "1.2.826.9.8"


@pytest.fixture
def client(
    pair: Pair, encoder: ActiveEncoder, decode_pool: DecodePool, tmp_path: Path
) -> Iterator[httpx.Client]:
    resources = Resources(
        engine=pair.primary,
        store=ObjectStore(tmp_path),
        pool=decode_pool,
        metrics=ApiMetrics(),
        keyer=PatientKeyer(b"a secret of sixteen bytes or more"),
        encoder_files=EncoderFiles(tmp_path, EncoderSettings()),
        network=NetworkProcess(),
        demands_key=False,
        standbys=(pair.standby,),
        maximum_staleness_s=600.0,
    )
    with serving(resources) as client:
        yield client


def found(client: httpx.Client, uid: str) -> set[str]:
    answer = client.get(f"/v1/instances/{uid}/similar", params={"k": 100, "same_patient": True})
    assert answer.status_code == 200
    return {neighbour["sop_instance_uid"] for neighbour in answer.json()["neighbours"]}


def test_the_standby_answers_until_something_is_deleted(
    client: httpx.Client, pair: Pair, encoder: ActiveEncoder, slices: list[MadeInstance]
) -> None:
    query, gone = slices[0].sop_instance_uid, slices[1].sop_instance_uid
    (like,) = clustered_instances(patients=1, slices_each=1, seed=7)
    found(client, query)
    with pair.paused():
        fill(pair.primary, [MadeInstance(NEW, patient=99, coordinates=like.coordinates)], encoder)
        # The standby does not know the new slice yet; that it is left out shows who answered.
        answered = found(client, query)
        assert gone in answered
        assert NEW not in answered
        with pair.primary.begin() as connection:
            connection.execute(
                text("DELETE FROM instance WHERE sop_instance_uid = :uid"), {"uid": gone}
            )
        answered = found(client, query)
        assert gone not in answered
        assert NEW in answered
    pair.standby_cluster.stop()
    try:
        assert NEW in found(client, query)
    finally:
        pair.standby_cluster.ensure_running()
    pair.standby.dispose()
    eventually(lambda: _is_up(pair), "the standby is back")


def test_the_standby_answers_about_studies_and_evidence_too(
    client: httpx.Client, pair: Pair, encoder: ActiveEncoder, slices: list[MadeInstance]
) -> None:
    asked, gone = slices[0], slices[1]
    (like,) = clustered_instances(patients=1, slices_each=1, seed=7)
    new = MadeInstance(NEW, patient=99, coordinates=like.coordinates)
    paths = (
        f"/v1/studies/{asked.study_instance_uid}/similar?k=100",
        f"/v1/instances/{asked.sop_instance_uid}/evidence",
    )
    found(client, asked.sop_instance_uid)
    with pair.paused():
        fill(pair.primary, [new], encoder)
        for path in paths:
            assert new.study_instance_uid not in client.get(path).raise_for_status().text
        with pair.primary.begin() as connection:
            connection.execute(
                text("DELETE FROM instance WHERE sop_instance_uid = :uid"),
                {"uid": gone.sop_instance_uid},
            )
        for path in paths:
            assert new.study_instance_uid in client.get(path).raise_for_status().text


def test_the_standby_answers_examples_and_evidence_beside_neighbours(
    client: httpx.Client, pair: Pair, encoder: ActiveEncoder, slices: list[MadeInstance]
) -> None:
    query, gone = slices[0].sop_instance_uid, slices[1].sop_instance_uid
    (like,) = clustered_instances(patients=1, slices_each=1, seed=7)
    beside = {"k": 100, "same_patient": True, "evidence": True}

    def answers() -> list[set[str]]:
        examples = client.post(
            "/v1/search",
            json={"positive": [{"sop_instance_uid": query}]},
            params={"k": 100, "same_patient": True},
        )
        told = client.get(f"/v1/instances/{query}/similar", params=beside)
        bodies = [answer.raise_for_status().json() for answer in (examples, told)]
        bodies.append(bodies[1]["evidence"])
        return [{n["sop_instance_uid"] for n in body["neighbours"]} for body in bodies]

    answers()
    with pair.paused():
        fill(pair.primary, [MadeInstance(NEW, patient=99, coordinates=like.coordinates)], encoder)
        assert not any(NEW in found for found in answers())
        with pair.primary.begin() as connection:
            connection.execute(
                text("DELETE FROM instance WHERE sop_instance_uid = :uid"), {"uid": gone}
            )
        found = answers()
        assert all(NEW in one for one in found)
        assert not any(gone in one for one in found)


def _is_up(pair: Pair) -> bool:
    with pair.standby.connect() as connection:
        return bool(connection.scalar(text("SELECT pg_is_in_recovery()")))
