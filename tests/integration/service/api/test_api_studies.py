import pytest
from sqlalchemy import select

from service.db.tables import instance, series, study
from service.studies.answer import Query
from service.studies.similar import similar_studies
from tests.integration.service.api.conftest import MULTI_FRAME, PENDING, UNSUPPORTED, Filled
from tests.support.serving import problem_of


def place_of(filled: Filled, sop_instance_uid: str) -> tuple[str, str]:
    """The Study and Series Instance UID of an instance."""
    found = select(study.c.study_instance_uid, series.c.series_instance_uid).select_from(
        instance.join(series).join(study)
    )
    with filled.engine.connect() as connection:
        row = connection.execute(found.where(instance.c.sop_instance_uid == sop_instance_uid)).one()
    return row[0], row[1]


def test_studies_are_told_as_the_service_finds_them(filled: Filled) -> None:
    asked, _ = place_of(filled, filled.embedded[0].sop_instance_uid)
    response = filled.client.get(f"/v1/studies/{asked}/similar", params={"k": 3, "explain": True})
    assert response.status_code == 200, response.text
    body = response.json()
    with filled.engine.connect() as connection:
        known = similar_studies(connection, Query(asked, k=3))
    assert [s["study_instance_uid"] for s in body["studies"]] == [
        s.study_instance_uid for s in known.studies
    ]
    assert (body["method"], body["complete"], body["encoder"]) == (
        "exact",
        True,
        filled.encoder.name,
    )
    first = body["studies"][0]
    assert first["rank"] == 1
    assert first["pairs"][0]["distance"] == pytest.approx(known.studies[0].pairs[0].distance)
    assert set(first["pairs"][0]) == {
        "query_sop_instance_uid",
        "query_frame",
        "sop_instance_uid",
        "frame",
        "series_instance_uid",
        "distance",
    }
    assert not {"patient_key", "study_id", "series_id"} & set(first)
    assert body["explanation"]["studies_scored"] >= 3
    assert [step["name"] for step in body["explanation"]["steps"]] == [
        "query",
        "plan",
        "search",
        "facts",
    ]


def test_a_series_is_asked_about(filled: Filled) -> None:
    asked, of_it = place_of(filled, filled.embedded[0].sop_instance_uid)
    body = filled.client.get(f"/v1/studies/{asked}/series/{of_it}/similar").json()
    assert body["query"]["series_instance_uid"] == of_it
    assert all(found["series_instance_uid"] for found in body["studies"])
    other, _ = place_of(filled, MULTI_FRAME)
    problem_of(filled.client.get(f"/v1/studies/{other}/series/{of_it}/similar"), 404)


def test_filters_and_the_same_patient(filled: Filled) -> None:
    asked, _ = place_of(filled, filled.embedded[0].sop_instance_uid)
    path = f"/v1/studies/{asked}/similar"
    nothing = filled.client.get(path, params={"modality": "XA"}).json()
    assert (nothing["studies"], nothing["complete"]) == ([], True)
    assert nothing["query"]["filters"] == {"modality": ["XA"]}
    own = filled.client.get(path, params={"same_patient": True}).json()["studies"][0]
    assert own["study_instance_uid"] == asked
    assert own["distance"] == pytest.approx(0, abs=1e-6)


def test_what_cannot_be_answered_is_a_problem(filled: Filled) -> None:
    problem_of(filled.client.get("/v1/studies/1.2.3.4.5/similar"), 404)
    problem_of(filled.client.get("/v1/studies/not-a-uid/similar"), 422)
    waiting, _ = place_of(filled, PENDING)
    unfit, _ = place_of(filled, UNSUPPORTED)
    asked, _ = place_of(filled, MULTI_FRAME)
    problem_of(filled.client.get(f"/v1/studies/{waiting}/similar"), 409)
    problem_of(filled.client.get(f"/v1/studies/{unfit}/similar"), 422)
    for wrong in ({"k": 0}, {"k": 101}, {"collapse": "study"}, {"age_from": 9, "age_to": 3}):
        problem_of(filled.client.get(f"/v1/studies/{asked}/similar", params=wrong), 422)
