import os
import stat
import subprocess
import sys
from pathlib import Path

from service.metrics_folder import forget_metrics

_COUNT = """
import sys
from pathlib import Path
from service.metrics_folder import share_metrics
share_metrics(Path(sys.argv[1]))
from service.metrics import NodeMetrics
metrics = NodeMetrics()
for _ in range(int(sys.argv[2])):
    metrics.received()
    metrics.stored(0.01)
metrics.refused(0xA700)
"""
_SUM = """
import sys
from pathlib import Path
from prometheus_client import CollectorRegistry, generate_latest
from service.metrics import ProcessesCollector
registry = CollectorRegistry()
registry.register(ProcessesCollector(Path(sys.argv[1]) / "metrics"))
print(generate_latest(registry).decode())
"""
_LATE = """
import sys
from pathlib import Path
import prometheus_client
from service.metrics_folder import share_metrics
share_metrics(Path(sys.argv[1]))
"""


def python(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def test_what_processes_counted_is_added_up_after_their_end(tmp_path: Path) -> None:
    for count in (3, 4):
        done = python(_COUNT, tmp_path, count)
        assert done.returncode == 0, done.stderr
    lines = python(_SUM, tmp_path).stdout.splitlines()
    assert "precuneus_received_total 7.0" in lines
    assert "precuneus_stored_total 7.0" in lines
    assert 'precuneus_refused_total{status="0xA700"} 2.0' in lines
    assert "precuneus_store_seconds_count 7.0" in lines
    folder = tmp_path / "metrics"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    forget_metrics(tmp_path)
    assert "precuneus_received_total" not in python(_SUM, tmp_path).stdout


def test_sharing_too_late_is_an_error_and_not_a_silence(tmp_path: Path) -> None:
    done = python(_LATE, tmp_path)
    assert done.returncode == 1
    assert "RuntimeError" in done.stderr


def test_there_may_be_nothing_to_forget(tmp_path: Path) -> None:
    forget_metrics(tmp_path / "new")
