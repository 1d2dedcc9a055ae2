from sqlalchemy import Engine

from service.encoders.registry import ActiveEncoder
from tests.support.commands import Shell
from tests.support.galleries import fill
from tests.support.studies import clustered_studies


def test_similar_studies_for_a_person_and_a_script(
    shell: Shell, engine: Engine, encoder: ActiveEncoder
) -> None:
    fill(engine, clustered_studies(12), encoder)
    body = shell.run("similar-study", "1.9.0", "-k", 3, "--json").json()
    found = [study["study_instance_uid"] for study in body["studies"]]
    assert (len(found), body["complete"], body["query"]["collapse"]) == (3, True, "series")
    table = shell.run("similar-study", "1.9.0", "--explain", "--label", "cluster 0")
    assert table.code == 0, table.errors
    assert all(uid in table.output for uid in ("1.9.4", "1.9.8", "cluster 0", "slices take part"))
    assert "1.9.3" not in table.output
    series = shell.run("similar-study", "1.9.0", "--series", "1.9.0.1", "--json").json()
    assert all(found["series_instance_uid"] for found in series["studies"])
    unknown = shell.run("similar-study", "1.2.3")
    assert (unknown.code, "no study 1.2.3" in unknown.errors) == (1, True)
    assert shell.run("similar-study", "1.9.0", "-k", 101).code == 2
