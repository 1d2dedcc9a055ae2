"""What becomes of imported objects by rule, and of what comes again."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from dicom_node.errors import OutOfResources, RefusedByRule
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver, Registration
from service.deletion.deleting import Cause, delete_subject
from service.opening import receiver, recovering_receiver
from service.peers import Peer, add_peer
from service.pulling.states import states_in_series, states_of
from service.recover import RecoveryReport, recover
from service.settings import Settings
from tests.support.admission import (
    LOCALIZER_RULE,
    NEURO,
    OTHERWISE_RULE,
    SCREENSHOT_RULE,
    dropped,
    head,
    import_under,
    localizer,
    screenshot,
    states,
    with_rules,
)
from tests.support.databases import away
from tests.support.objects import ct_dataset, write_file
from tests.support.rejections import key_object_selection
from tests.support.stored import count_rows, quarantine, store_file

STORED, DROPPED = Registration.STORED, Registration.DROPPED
ALL_IN = "otherwise admit"
ALL_OUT = "otherwise drop"


def test_each_action_does_what_it_says(
    engine: Engine, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    chest = ct_dataset(BodyPartExamined="CHEST")
    slice_, scout, screen, untold = head(), localizer(), screenshot(), ct_dataset()
    outcomes = import_under(settings, engine, NEURO, tmp_path, slice_, scout, screen, untold, chest)
    assert outcomes == [STORED, STORED, DROPPED, STORED, STORED]
    assert states(engine) == {
        slice_.SOPInstanceUID: ("pending", None, True),
        untold.SOPInstanceUID: ("pending", None, True),
        scout.SOPInstanceUID: ("unsupported", LOCALIZER_RULE, False),
        chest.SOPInstanceUID: ("unsupported", OTHERWISE_RULE, False),
    }
    assert dropped(engine) == {screen.SOPInstanceUID: (SCREENSHOT_RULE, 1)}
    assert len(list(store.names())) == 4
    assert count_rows(engine, "series") == 4
    with engine.connect() as connection:
        settled = text("SELECT count(*) FROM instance WHERE settled_at IS NOT NULL")
        assert connection.execute(settled).scalar_one() == 2


def test_by_default_everything_is_admitted(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    import_under(settings, engine, "", tmp_path, head(), localizer(), screenshot())
    assert set(states(engine).values()) == {("pending", None, True)}
    assert dropped(engine) == {}


def test_imports_go_by_their_own_title(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    rules = "drop calling_ae_title=IMPORT; otherwise admit"
    assert import_under(settings, engine, rules, tmp_path, head()) == [DROPPED]


def test_a_dropped_object_that_comes_again_grows_nothing(
    engine: Engine, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    screen = screenshot()
    for _ in range(3):
        assert import_under(settings, engine, NEURO, tmp_path, screen) == [DROPPED]
    assert dropped(engine) == {screen.SOPInstanceUID: (SCREENSHOT_RULE, 3)}
    assert list(store.names()) == []
    tables = ("instance", "series", "study", "embedding_job", "conflict", "deleted_file")
    assert {count_rows(engine, table) for table in tables} == {0}


def test_a_dropped_object_that_comes_under_other_rules_is_new(
    engine: Engine, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    screen = screenshot()
    uid = screen.SOPInstanceUID
    assert import_under(settings, engine, NEURO, tmp_path, screen) == [DROPPED]
    assert import_under(settings, engine, ALL_IN, tmp_path, screen) == [STORED]
    assert states(engine) == {uid: ("pending", None, True)}
    assert dropped(engine) == {}
    assert len(list(store.names())) == 1


def test_what_is_stored_is_the_same_again_whatever_the_rules_say_now(
    engine: Engine, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    slice_, scout = head(), localizer()
    import_under(settings, engine, NEURO, tmp_path, slice_, scout)
    before = states(engine)
    for rules in (ALL_IN, ALL_OUT):
        again = import_under(settings, engine, rules, tmp_path, slice_, scout)
        assert again == [Registration.DUPLICATE] * 2
    rival = head(seed=9, sop_instance_uid=slice_.SOPInstanceUID)
    assert import_under(settings, engine, ALL_OUT, tmp_path, rival) == [Registration.CONFLICT]
    assert states(engine) == before
    assert dropped(engine) == {}
    assert len(list(store.names())) == 3


def test_what_was_refused_for_good_stays_refused_under_a_rule_that_drops_it(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    screen = screenshot()
    import_under(settings, engine, ALL_IN, tmp_path, screen)
    gone = Cause("command", "operator", refuse=True)
    delete_subject(engine, "instance", screen.SOPInstanceUID, gone)
    with pytest.raises(RefusedByRule):
        import_under(settings, engine, NEURO, tmp_path, screen)
    assert dropped(engine) == {}


def test_a_rejection_note_counts_although_it_is_dropped(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        add_peer(connection, Peer("pacs", "PACS", "127.0.0.1", 104))
    slice_ = head()
    note = key_object_selection([slice_], "113001")
    import_under(settings, engine, NEURO, tmp_path, slice_)
    for _ in range(2):
        assert import_under(settings, engine, NEURO, tmp_path, note) == [DROPPED]
    rejected = ("unsupported", "rejected for quality reasons", False)
    assert states(engine) == {slice_.SOPInstanceUID: rejected}
    assert count_rows(engine, "tombstone") == 1


def test_a_peer_is_not_asked_again_for_what_was_dropped(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    uids = {"study_instance_uid": "1.2", "series_instance_uid": "1.2.1"}
    slice_, screen = head(**uids), screenshot(**uids)
    import_under(settings, engine, NEURO, tmp_path, slice_, screen)
    with engine.connect() as connection:
        asked = [slice_.SOPInstanceUID, screen.SOPInstanceUID, "1.2.3"]
        assert [*states_of(connection, asked).values()] == ["pending", "unsupported", "missing"]
        assert states_in_series(connection, "1.2", "1.2.1") == {"pending": 1, "unsupported": 1}


def test_deleting_a_study_leaves_the_note_of_what_was_dropped(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    slice_, screen = head(study_instance_uid="1.2"), screenshot(study_instance_uid="1.2")
    import_under(settings, engine, NEURO, tmp_path, slice_, screen)
    assert delete_subject(engine, "study", "1.2", Cause("command", "operator")) == 1
    assert set(dropped(engine)) == {screen.SOPInstanceUID}
    assert count_rows(engine, "study") == 0


def test_recovery_drops_nothing(
    engine: Engine, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    """A crash may leave such a file, and so may a restored backup, where it is all there is."""
    screen = screenshot()
    import_under(settings, engine, NEURO, tmp_path, screen)
    store_file(store, write_file(tmp_path / "left.dcm", screen))
    taking = recovering_receiver(with_rules(settings, NEURO), engine)
    assert recover(engine, store, taking) == RecoveryReport(registered=1)
    reason = SCREENSHOT_RULE.replace("drop", "store")
    assert states(engine) == {screen.SOPInstanceUID: ("unsupported", reason, False)}
    assert dropped(engine) == {}
    assert quarantine(settings) == {}


def test_without_a_database_nothing_is_dropped(
    engine: Engine,
    settings: Settings,
    store: ObjectStore,
    tmp_path: Path,
    cluster_url: str,
    database_url: str,
) -> None:
    take: Receiver = receiver(with_rules(settings, ALL_OUT), engine)
    file = write_file(tmp_path / "a.dcm", head())
    with away(cluster_url, database_url), pytest.raises(OutOfResources):
        import_file(take, file)
    assert list(store.names()) == []
    assert count_rows(engine, "dropped_object") == 0
