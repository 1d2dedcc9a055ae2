"""The supervisor with real processes: restarts, draining, and an end for all when it is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

REPOSITORY = Path(__file__).parents[2]

SUPERVISE = """
import json, sys
from service.logs import configure_logs
from service.supervisor import Backoff, ChildSpec, Supervisor
configure_logs()
codes, drain_s = json.loads(sys.argv[1]), float(sys.argv[2])
children = [
    ChildSpec(name, (sys.executable, "-c", code), {"CHILD": name}) for name, code in codes.items()
]
backoff = Backoff(first_s=0.05, limit_s=0.2)
sys.exit(Supervisor(children, backoff=backoff, drain_s=drain_s).run())
"""

SAY = """
import os, signal, subprocess, sys, time
def say(*words):
    # In one write, for all children share the pipe.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""

POLITE = f"""{SAY}
from service.child import follow_parent
def drain(number, frame):
    say(os.environ["CHILD"], "drained", number)
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
signal.signal(signal.SIGINT, drain)
follow_parent()
say(os.environ["CHILD"], "up", os.getpid())
while True:
    time.sleep(0.05)
"""

STUBBORN = f"""{SAY}
signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
say("helper", "up", helper.pid)
say(os.environ["CHILD"], "up", os.getpid())
while True:
    time.sleep(60)
"""


class Service:
    """A supervisor in a process of its own, and what it and its children say."""

    def __init__(self, drain_s: float = 20, **codes: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, json.dumps(codes), str(drain_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        self.seen: list[int] = []

    def words(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def pids_up(self, *names: str) -> dict[str, int]:
        """Wait until each of these has reported its process id."""
        pids: dict[str, int] = {}
        while set(pids) != set(names):
            name, what, pid = self.words()
            assert what == "up"
            pids[name] = int(pid)
        self.seen += pids.values()
        return pids

    def end(self, *signals: signal.Signals) -> tuple[int, list[str], list[dict[str, Any]]]:
        """Send signals; the exit code, the children's last lines, and the log."""
        for number in signals:
            self.process.send_signal(number)
        out, err = self.process.communicate()
        return self.process.returncode, out.splitlines(), [json.loads(x) for x in err.splitlines()]


@pytest.fixture
def service() -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start(**options: Any) -> Service:
        started.append(Service(**options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        for pid in one.seen:
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)
        one.process.communicate()


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_sigterm_drains_all_children_and_leaves_none(service: Callable[..., Service]) -> None:
    running = service(node=POLITE, worker=POLITE)
    pids = running.pids_up("node", "worker")
    code, said, log = running.end(signal.SIGTERM)
    assert code == 0
    assert sorted(said) == ["node drained 15", "worker drained 15"]
    assert all(map(is_gone, pids.values()))
    actions = [entry["action"] for entry in log]
    assert actions == ["child_started", "child_started", "stopping", "stopped"]


def test_ctrl_c_reaches_the_children_as_sigterm_only(service: Callable[..., Service]) -> None:
    running = service(node=POLITE)
    running.pids_up("node")
    os.killpg(running.process.pid, signal.SIGINT)
    code, said, _ = running.end()
    assert (code, said) == (0, ["node drained 15"])


def test_a_killed_child_comes_back_while_the_other_runs_on(
    service: Callable[..., Service],
) -> None:
    running = service(node=POLITE, worker=POLITE)
    first = running.pids_up("node", "worker")
    os.kill(first["worker"], signal.SIGKILL)
    second = running.pids_up("worker")
    assert second["worker"] != first["worker"]
    assert not is_gone(first["node"])
    code, _, log = running.end(signal.SIGTERM)
    assert code == 0
    ended = [entry for entry in log if entry["action"] == "child_ended"]
    assert [(entry["child"], entry["returncode"]) for entry in ended] == [("worker", -9)]


def test_a_child_that_keeps_dying_is_given_more_and_more_time(
    service: Callable[..., Service],
) -> None:
    running = service(node='print("node", "up", 0, flush=True); raise SystemExit(0)')
    for _ in range(5):
        running.words()
    _, _, log = running.end(signal.SIGTERM)
    pauses = [entry["retry_s"] for entry in log if entry["action"] == "child_ended"]
    assert pauses[:4] == [0.05, 0.1, 0.2, 0.2]


def test_a_stubborn_child_is_killed_with_its_helpers(service: Callable[..., Service]) -> None:
    running = service(drain_s=0.5, node=POLITE, worker=STUBBORN)
    pids = running.pids_up("node", "helper", "worker")
    code, said, log = running.end(signal.SIGTERM)
    assert (code, said) == (1, ["node drained 15"])
    assert all(map(is_gone, pids.values()))
    assert [e["child"] for e in log if e["action"] == "child_killed"] == ["worker"]


def test_a_second_ctrl_c_does_not_wait_for_the_stubborn(service: Callable[..., Service]) -> None:
    running = service(drain_s=3600, worker=STUBBORN)
    pids = running.pids_up("helper", "worker")
    running.process.send_signal(signal.SIGINT)
    assert running.process.stderr is not None
    while '"stopping"' not in running.process.stderr.readline():
        pass
    code, _, _ = running.end(signal.SIGINT)
    assert code == 1
    assert all(map(is_gone, pids.values()))


def test_helpers_of_a_killed_child_do_not_stay(service: Callable[..., Service]) -> None:
    running = service(drain_s=0, worker=STUBBORN)
    first = running.pids_up("helper", "worker")
    os.kill(first["worker"], signal.SIGKILL)
    running.pids_up("helper", "worker")
    assert is_gone(first["helper"])
    assert running.end(signal.SIGTERM)[0] == 1


def test_children_end_when_the_supervisor_is_killed(service: Callable[..., Service]) -> None:
    running = service(node=POLITE, worker=POLITE)
    pids = running.pids_up("node", "worker")
    running.process.kill()
    assert sorted([running.words(), running.words()]) == [
        ["node", "drained", "15"],
        ["worker", "drained", "15"],
    ]
    assert eventually(lambda: all(map(is_gone, pids.values())))


def test_a_usage_error_at_the_first_start_stops_the_service(
    service: Callable[..., Service],
) -> None:
    wait = "import time; time.sleep(0.5); raise SystemExit(2)"
    running = service(node=POLITE, worker=wait)
    code, _, log = running.end()
    assert code == 2
    unusable = [entry for entry in log if entry["action"] == "child_unusable"]
    assert [entry["child"] for entry in unusable] == ["worker"]


def test_later_a_usage_error_is_a_failure_like_any_other(
    service: Callable[..., Service], tmp_path: Path
) -> None:
    marker = tmp_path / "starts"
    code = (
        f"import os, pathlib; marker = pathlib.Path({str(marker)!r})\n"
        "starts = len(marker.read_text()) if marker.exists() else 0\n"
        "marker.write_text('x' * (starts + 1))\n"
        "if starts == 0: raise SystemExit(1)\n"
        "if starts == 1: raise SystemExit(2)\n" + POLITE
    )
    running = service(worker=code)
    running.pids_up("worker")
    assert running.end(signal.SIGTERM)[0] == 0
