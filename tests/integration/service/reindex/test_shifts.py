"""Workers that run on through a change of encoder: several at once, and with no restart."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread

from service.encoders.activation import activate
from service.reindex.planning import begin
from tests.integration.service.reindex.conftest import Gallery
from tests.support.waiting import eventually


@contextmanager
def working(gallery: Gallery) -> Iterator[None]:
    """A worker that runs until the end of this context."""
    shifts = gallery.shifts()
    thread = Thread(target=shifts.run)
    thread.start()
    try:
        yield
    finally:
        shifts.stop()
        thread.join()


def has(gallery: Gallery, uids: list[str], state: str) -> bool:
    """Whether both encoders have these, each once, and the other one is in that state."""
    both = [gallery.embedded(gallery.first), gallery.embedded(gallery.other)]
    return both == [sorted(uids)] * 2 and gallery.states()[gallery.other.name] == state


def test_workers_share_a_reindex_and_follow_an_activation(gallery: Gallery) -> None:
    uids = gallery.add(17)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(working(gallery))
        eventually(lambda: has(gallery, uids, "ready"), "the gallery is filled and checked")
        activate(gallery.engine, gallery.other.name)
        uids += gallery.add(3)
        eventually(lambda: has(gallery, uids, "active"), "what is new is in both")
    states = gallery.ask("SELECT DISTINCT state FROM instance")
    assert states == [("embedded",)]


def test_live_objects_come_first(gallery: Gallery) -> None:
    gallery.add(6)
    gallery.work()
    begin(gallery.engine, gallery.other.name, batch_size=2)
    late = gallery.add(2)
    shifts = gallery.shifts()
    # One turn of each kind: it ends with the first batch, since something live waits.
    shifts._work_behind()
    assert len(gallery.embedded(gallery.other)) == 4
    shifts._work_live(once=True)
    assert set(late) < set(gallery.embedded(gallery.first))
