"""The rules change: what is stored is reconsidered."""

from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from service import queue
from service.admission.parsing import parse_rules
from service.deletion.rejecting import hide_instances
from service.encoders.registry import ActiveEncoder
from service.outcomes import Outcome, write_outcomes
from service.pulling.states import states_of
from service.readmitting import ReadmissionReport, count_instances, readmit
from service.search.similar import Query, similar
from service.settings import Settings
from tests.support.admission import (
    NEURO,
    SCREENSHOT_RULE,
    dropped,
    head,
    import_under,
    localizer,
    screenshot,
    states,
)
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import MadeInstance, clustered_instances, fill
from tests.support.objects import ct_dataset
from tests.support.stored import count_rows

EVERYTHING = parse_rules("otherwise admit")
NO_CT = parse_rules("store modality=CT; otherwise admit")
NO_CT_REASON = "not admitted: rule 1, store modality=CT"


def test_what_is_no_longer_admitted_leaves_the_search_and_comes_back(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    made = clustered_instances(4, 3)
    fill(engine, made, encoder)
    query = Query(next(m.sop_instance_uid for m in made if m.modality == "MR"), k=9)

    def found() -> set[str]:
        with engine.connect() as connection:
            return {neighbour.modality for neighbour in similar(connection, query).neighbours}

    assert found() == {"CT", "MR"}
    report = readmit(engine, NO_CT, batch=5)
    assert report == ReadmissionReport(examined=12, withdrawn=6, reasons={NO_CT_REASON: 6})
    assert found() == {"MR"}
    assert count_rows(engine, "embedding") == 6
    assert readmit(engine, NO_CT) == ReadmissionReport(examined=12)
    assert readmit(engine, EVERYTHING, batch=5) == ReadmissionReport(examined=12, admitted=6)
    of_cts = {m.sop_instance_uid for m in made if m.modality == "CT"}
    assert {uid for uid, (_, _, queued) in states(engine).items() if queued} == of_cts
    assert readmit(engine, EVERYTHING) == ReadmissionReport(examined=12)


def test_a_dry_run_counts_and_changes_nothing(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    import_under(settings, engine, NEURO, tmp_path, head(), localizer(), screenshot())
    before = states(engine), dropped(engine)
    expected = ReadmissionReport(examined=2, admitted=1, welcome=1)
    assert readmit(engine, EVERYTHING, dry_run=True) == expected
    assert readmit(engine, NO_CT, dry_run=True).withdrawn == 1
    assert (states(engine), dropped(engine)) == before


def test_a_waiting_instance_is_taken_out_of_the_queue(engine: Engine) -> None:
    waiting = MadeInstance("1.2.3", state="pending", reason="the stored file cannot be read")
    fill(engine, [waiting, MadeInstance("1.2.4", state="failed", reason="the decoder crashed")])
    assert readmit(engine, NO_CT).withdrawn == 2
    out = ("unsupported", NO_CT_REASON, False)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT state, reason FROM instance")).all()
        assert queue.pending_count(connection) == 0
    assert set(map(tuple, rows)) == {out[:2]}


@pytest.mark.parametrize("reason", ["not an image", "rejected for quality reasons", None])
def test_what_is_out_for_another_reason_stays_out(engine: Engine, reason: str | None) -> None:
    fill(engine, [MadeInstance("1.2.3", state="unsupported", reason=reason)])
    for rules in (NO_CT, EVERYTHING):
        assert readmit(engine, rules) == ReadmissionReport(examined=1)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT reason FROM instance")).scalar_one() == reason
    assert count_rows(engine, "embedding_job") == 0


def test_a_rejection_outlives_a_rule(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    """An instance that no rule admitted, and that is then rejected, must not come back."""
    scout = localizer()
    import_under(settings, engine, NEURO, tmp_path, scout)
    with engine.begin() as connection:
        ids = list(connection.scalars(text("SELECT instance_id FROM instance")))
        hide_instances(connection, ids, "rejected for quality reasons")
    assert readmit(engine, EVERYTHING).admitted == 0
    assert states(engine)[scout.SOPInstanceUID][0] == "unsupported"


def test_what_stays_out_names_the_rule_of_today(
    engine: Engine, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    scout, screen = localizer(), screenshot()
    import_under(settings, engine, NEURO, tmp_path, scout, screen)
    rules = parse_rules("drop modality=CT; otherwise admit")
    assert readmit(engine, rules) == ReadmissionReport(examined=1, reworded=1)
    reason = "not admitted: rule 1, drop modality=CT"
    assert states(engine) == {scout.SOPInstanceUID: ("unsupported", reason, False)}
    assert dropped(engine) == {screen.SOPInstanceUID: (reason, 1)}
    assert len(list(store.names())) == 1


def test_what_was_dropped_and_is_welcome_now_is_missing(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    screens = [screenshot(seed=n) for n in range(3)]
    import_under(settings, engine, NEURO, tmp_path, *screens)
    assert readmit(engine, parse_rules(NEURO), batch=2) == ReadmissionReport()
    assert len(dropped(engine)) == 3
    assert {reason for reason, _ in dropped(engine).values()} == {SCREENSHOT_RULE}
    assert readmit(engine, EVERYTHING, batch=2) == ReadmissionReport(welcome=3)
    assert dropped(engine) == {}
    with engine.connect() as connection:
        found = states_of(connection, [str(screen.SOPInstanceUID) for screen in screens])
    assert set(found.values()) == {"missing"}


def test_an_interrupted_run_goes_on(engine: Engine) -> None:
    made = [MadeInstance(f"1.2.{n}", state="pending") for n in range(10)]
    fill(engine, made)

    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        readmit(engine, NO_CT, batch=4, advance=interrupt)
    assert count_rows(engine, "embedding_job") == 6
    report = readmit(engine, NO_CT, batch=4)
    assert (report.examined, report.withdrawn) == (count_instances(engine), 6)
    assert count_rows(engine, "embedding_job") == 0


def test_a_worker_that_holds_a_withdrawn_job_writes_nothing(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    fill(engine, [MadeInstance("1.2.3", state="pending")])
    owner = uuid4()
    with engine.begin() as connection:
        (job,) = queue.claim(connection, owner, 1, 60)
    assert readmit(engine, NO_CT).withdrawn == 1
    coordinates = unit(np.ones((1, DIMENSION)))
    assert write_outcomes(engine, encoder, owner, [Outcome(job, [coordinates])]) == set()
    assert count_rows(engine, "embedding") == 0


def test_facts_of_rows_are_those_of_headers(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    """What was just registered by some rules is not changed by the same ones."""
    untold = ct_dataset(Modality=None)
    rules = (
        'store modality=OT body_part=""; store image_type=LOCALIZER calling_ae_title=import; '
        "store sop_class=Secondary*; admit modality=CT body_part=HEAD; otherwise drop"
    )
    import_under(settings, engine, rules, tmp_path, head(), localizer(), screenshot(), untold)
    import_under(settings, engine, rules, tmp_path, ct_dataset(BodyPartExamined="KNEE"))
    reasons = {reason.split(",")[0] for _, reason, _ in states(engine).values() if reason}
    assert reasons == {f"not admitted: rule {number}" for number in (1, 2, 3)}
    assert readmit(engine, parse_rules(rules)) == ReadmissionReport(examined=4)
    assert len(dropped(engine)) == 1
