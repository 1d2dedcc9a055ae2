"""An instance that is searchable already, and is then rejected for quality."""

import pytest
from sqlalchemy import Engine

from dicom_node.rejection import Reference, RejectionNote
from service.deletion.rejecting import QUALITY, apply_rejection_note
from service.encoders.registry import ActiveEncoder
from service.errors import NotSearchable
from service.search.similar import Query, similar
from tests.support.galleries import clustered_instances, fill
from tests.support.stored import count_rows


def test_what_is_rejected_for_quality_is_found_no_more(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    made = clustered_instances(3, 2)
    fill(engine, made, encoder)
    bad = made[-1]
    uids = (bad.study_instance_uid, bad.series_instance_uid, bad.sop_instance_uid)
    note = RejectionNote(QUALITY, (Reference(*uids),))
    with engine.begin() as connection:
        assert apply_rejection_note(connection, note, "STRANGER") == 0
        assert apply_rejection_note(connection, note, "import") == 1
    with engine.connect() as connection:
        answer = similar(connection, Query(made[0].sop_instance_uid, k=10))
        assert {n.sop_instance_uid for n in answer.neighbours} == {
            instance.sop_instance_uid for instance in made[2:-1]
        }
        with pytest.raises(NotSearchable, match="rejected for quality reasons"):
            similar(connection, Query(bad.sop_instance_uid))
    assert count_rows(engine, "instance") == len(made)
