"""The reindex benchmark says how long one build takes, and how many there were."""

from benchmarks.reindex.filling import Filled
from benchmarks.reindex.measure import Rebuilt, Round
from benchmarks.reindex.results import results


def test_a_build_that_was_made_again_is_told() -> None:
    seconds = [0.01, 0.02]
    rounds = (Round(seconds, seconds, 30.0, 1), Round(seconds, seconds, 32.5, 3))
    section = results(Rebuilt(100, 8, rounds, Filled(10, 0.5, seconds, seconds)))
    assert section.data["build"]["seconds"] == [30.0, 32.5]
    assert section.data["build"]["builds"] == [1, 3]
    assert "in 30.0, 32.5 s a build with its check; 4 builds in 2 rounds." in section.notes[0]
