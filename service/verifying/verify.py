"""Verifies a gallery: files, rows and vectors against each other, and the index against the truth.

It changes nothing unless it is to repair, and may run beside a busy service.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from service.encoders.following import require_active
from service.encoders.reach import Reach, measure_reach
from service.encoders.registry import ActiveEncoder, find_active
from service.settings import Settings
from service.verifying import faults
from service.verifying.contents import check_contents
from service.verifying.faults import Fault
from service.verifying.files import BUCKETS, find_file_faults
from service.verifying.indexes import find_index_faults
from service.verifying.label_copies import find_label_faults, repair_labels
from service.verifying.recall import LOWEST_RECALL, Recall, measure_recall
from service.verifying.recomputing import Recomputed, recompute
from service.verifying.repairing import repair
from service.verifying.report import Looked, Verification
from service.verifying.rows import count_rows, find_row_faults, looks

Tell = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Extent:
    """How much to look at.

    `sample` slices are searched near, and as many files read whole, or all of them if `deep`;
    `recompute` instances are embedded anew. `repair` mends what it can.
    """

    sample: int = 100
    deep: bool = False
    recompute: int = 0
    repair: bool = False


@dataclass
class _Steps:
    """Tells what is being looked at and how far it is: the step, what is done, and all of it."""

    tell: Tell
    name: str = ""
    done: int = 0
    total: int = 0

    def begin(self, name: str, total: int) -> None:
        self.name, self.done, self.total = name, 0, total
        self.tell(name, 0, total)

    def advance(self, count: int = 1) -> None:
        self.done += count
        self.tell(self.name, self.done, self.total)


@dataclass
class _Found:
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repaired: dict[str, int] = field(default_factory=dict)


def verify(
    engine: Engine,
    store: ObjectStore,
    settings: Settings,
    extent: Extent,
    tell: Tell = lambda _step, _done, _all: None,
) -> Verification:
    """Look at all rows, all files' sizes, and as much more as `extent` says.

    Raises:
        EncoderChanged: another encoder was activated meanwhile; verify again.
        OSError: the folder of objects cannot be read.
        SQLAlchemyError: the database failed.
    """
    steps, found = _Steps(tell), _Found()
    with engine.connect() as connection:
        encoder = find_active(connection)
        instances, slices = count_rows(connection, encoder)
    if encoder is None:
        found.notes.append("No encoder is active yet, so there are no vectors to look at.")
    found.faults += _row_faults(engine, encoder, slices, steps)
    if extent.repair and any(fault.can_repair for fault in found.faults):
        found.repaired = _repaired(engine, encoder)
        found.faults = _row_faults(engine, encoder, slices, steps)
    files, read = _files(engine, store, settings, extent, steps, found)
    recall = _index(engine, encoder, extent, steps, found) if encoder else None
    reach = _reach(engine, encoder, steps, found) if encoder else None
    again = _recomputed(engine, store, settings, encoder, extent, steps)
    found.faults += again.faults
    return Verification(
        encoder=encoder.name if encoder else None,
        looked=Looked(instances, slices, files, read, again.slices),
        recall=recall,
        faults=found.faults,
        notes=found.notes + again.notes,
        repaired=found.repaired,
        reach=reach,
    )


def _row_faults(
    engine: Engine, encoder: ActiveEncoder | None, slices: int, steps: _Steps
) -> list[Fault]:
    steps.begin("rows", len(looks(encoder)))
    found = find_row_faults(engine, encoder, steps.advance)
    if encoder is not None:
        steps.begin("labels", slices)
        found += find_label_faults(engine, encoder, steps.advance)
        with engine.connect() as connection:
            # One that answers no more may lack what has just arrived.
            require_active(connection, encoder)
    return found


def _repaired(engine: Engine, encoder: ActiveEncoder | None) -> dict[str, int]:
    mended = repair(engine, encoder)
    if encoder is not None and (labels := repair_labels(engine, encoder)):
        mended[faults.LABELS_WRONG.name] = labels
    return mended


def _files(
    engine: Engine,
    store: ObjectStore,
    settings: Settings,
    extent: Extent,
    steps: _Steps,
    found: _Found,
) -> tuple[dict[str, int], int]:
    """How many files there are, by what names them, and how many were read whole."""
    steps.begin("files", len(BUCKETS))
    files = find_file_faults(engine, store, settings.gallery.keep_deleted_days, steps.advance)
    found.faults += files.faults()
    known = files.counts["instance"] + files.counts["conflict"]
    steps.begin("contents", known if extent.deep else min(extent.sample, known))
    contents = check_contents(engine, store, None if extent.deep else extent.sample, steps.advance)
    found.faults += contents.faults()
    return dict(files.counts), contents.read


def _index(
    engine: Engine, encoder: ActiveEncoder, extent: Extent, steps: _Steps, found: _Found
) -> Recall | None:
    with engine.connect() as connection:
        found.faults += find_index_faults(connection, encoder)
        steps.begin("recall", extent.sample)
        recall = measure_recall(connection, encoder, extent.sample, steps.advance)
    if recall is not None and recall.mean < LOWEST_RECALL:
        worst = [recall.worst_sop_instance_uid]
        detail = f"recall@{recall.k} is {recall.mean:.3f} over {recall.queries} queries"
        found.faults.append(Fault.of(faults.RECALL_LOW, recall.lost, worst, detail))
    return recall


def _reach(engine: Engine, encoder: ActiveEncoder, steps: _Steps, found: _Found) -> Reach:
    steps.begin("reach", 1)
    with engine.connect() as connection:
        reach = measure_reach(connection, encoder)
    steps.advance()
    if not reach.is_good:
        detail = f"of {reach.looked} looked for"
        found.faults.append(Fault.of(faults.OUT_OF_REACH, reach.lost, [encoder.name], detail))
    return reach


def _recomputed(
    engine: Engine,
    store: ObjectStore,
    settings: Settings,
    encoder: ActiveEncoder | None,
    extent: Extent,
    steps: _Steps,
) -> Recomputed:
    if encoder is None or not extent.recompute:
        return Recomputed()
    steps.begin("vectors", extent.recompute)
    return recompute(engine, store, settings, encoder, extent.recompute, steps.advance)
