"""The supervisor inside this process: its states, its return code, and the database it watches."""

import os
import signal
import sys
from pathlib import Path

from service.child import ChildSpec
from service.postgres import Cluster
from service.postgres.postmaster import find_postmaster
from service.supervisor import Backoff, ChildStatus, Supervisor


def test_a_program_that_is_missing_stops_the_service() -> None:
    assert Supervisor([ChildSpec("node", ("/no/such/program",))]).run() == 2


def test_states_are_told_as_they_change() -> None:
    told: list[ChildStatus] = []

    def note(status: ChildStatus) -> None:
        told.append(status)
        if len(told) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    child = ChildSpec("node", (sys.executable, "-c", "raise SystemExit(7)"))
    supervisor = Supervisor([child], backoff=Backoff(first_s=0.05), on_change=note)
    assert supervisor.run() == 0
    assert [(status.state, status.restarts) for status in told] == [
        ("running", 0),
        ("waiting", 0),
        ("running", 1),
        ("stopped", 1),
    ]
    assert supervisor.children == (ChildStatus("node", "stopped", None, 1),)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_database_is_restarted_while_the_service_runs(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "state")
    seen: list[int] = []

    def note(status: ChildStatus) -> None:
        """At each end of the short-lived child: kill the server once, stop when it is back."""
        postmaster = find_postmaster(cluster.data_dir)
        if postmaster is not None and postmaster.process.pid not in seen and cluster.is_running():
            seen.append(postmaster.process.pid)
            os.kill(*((seen[0], signal.SIGKILL) if len(seen) == 1 else (os.getpid(), 15)))

    child = ChildSpec("clock", (sys.executable, "-c", "raise SystemExit(0)"))
    backoff = Backoff(first_s=0.05, limit_s=0.1)
    with cluster.running():
        assert Supervisor([child], cluster, backoff=backoff, on_change=note).run() == 0
        assert len(seen) == 2
    assert not cluster.is_running()
    cluster.remove()
