"""What an encoder must show before it may answer: that nothing is missing, lost or worse."""

from dataclasses import dataclass

from sqlalchemy import Connection

from service.encoders.reach import Reach, measure_reach
from service.encoders.registry import ActiveEncoder
from service.reindex.coverage import Coverage, measure_coverage
from service.reindex.ranking import Ranking, compare_rankings
from service.reindex.recall import Recall, measure_recall
from service.settings import ReindexSettings

# More failures than this speak of the encoder or the machine, and not of a few odd objects.
_MOST_FAILED = 0.01


@dataclass(frozen=True)
class Gate:
    """The figures and what is wrong with them; None where there was nothing to measure on.

    What is out of the index's `reach` is found all the same, so that it holds nobody up.
    """

    passed: bool
    faults: tuple[str, ...]
    coverage: Coverage
    recall: Recall | None
    ranking: Ranking | None
    reach: Reach | None = None


def examine(
    connection: Connection,
    filled: ActiveEncoder,
    active: ActiveEncoder,
    settings: ReindexSettings,
) -> Gate:
    """Measure a filled and indexed partition against the active one, and judge it."""
    coverage = measure_coverage(connection, filled, active)
    recall = measure_recall(connection, filled)
    ranking = compare_rankings(connection, filled, active)
    faults = tuple(_faults(coverage, recall, ranking, settings))
    reach = measure_reach(connection, filled)
    return Gate(not faults, faults, coverage, recall, ranking, reach)


def _faults(
    coverage: Coverage, recall: Recall | None, ranking: Ranking | None, settings: ReindexSettings
) -> list[str]:
    faults = []
    if coverage.missing:
        faults.append(f"{coverage.missing} embedded instances are missing, and nothing says why")
    if coverage.failed > _MOST_FAILED * coverage.instances:
        faults.append(f"{coverage.failed} of {coverage.instances} instances cannot be embedded")
    if recall is not None and recall.recall < settings.minimum_recall:
        faults.append(
            f"its index finds {recall.recall:.4f} of the nearest {recall.at}, "
            f"{settings.minimum_recall} are demanded"
        )
    if ranking is not None and ranking.filled < ranking.active - settings.map_tolerance:
        faults.append(
            f"its mAP on {ranking.slices} labelled slices is {ranking.filled:.3f}, the active "
            f"encoder's is {ranking.active:.3f}"
        )
    return faults
