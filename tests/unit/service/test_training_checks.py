"""What is known from a list alone is refused before any file is read."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.checkpoint import Checkpoint, hash_group
from model.errors import TrainingError
from model.manifest import ManifestRow
from model.training.config import RunOptions
from model.training.distributed import World
from service.errors import InvalidParameter
from service.training_checks import check_plan
from service.training_plan import Split, TrainingPlan
from tests.unit.model.made import info
from tests.unit.model.training.runs import run, scheduled
from tests.unit.model.training.settings import QUICK


def row(number: int, patient: int, label: str, fold: int = 1) -> ManifestRow:
    path = Path("nowhere") / f"{number}.dcm"
    return ManifestRow(path, f"1.{number}", "1.2", f"P{patient}", "MR", label, fold)


TRAINING = tuple(row(n, n % 4, ("dark", "bright")[n % 2]) for n in range(8))
WATCHED = (row(8, 5, "dark", 2), row(9, 6, "bright", 2))
SPLIT = Split(TRAINING, WATCHED)
ALONE = World()


def plan(folder: Path, **changes: object) -> TrainingPlan:
    return replace(TrainingPlan(QUICK, RunOptions(), folder), **changes)


def beginning(*patients: str) -> Checkpoint:
    facts = replace(info(), trained_on=tuple(map(hash_group, patients)))
    return Checkpoint("msnet-0123456789ab", "", facts, {})


def test_a_plan_without_fault_passes(tmp_path: Path) -> None:
    check_plan(SPLIT, plan(tmp_path), ALONE)
    check_plan(Split(TRAINING, ()), plan(tmp_path, start=beginning()), World(1, 4))
    check_plan(SPLIT, plan(tmp_path, start=beginning("P1")), ALONE)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (Split(TRAINING[:2], ()), "come from one patient"),
        (Split(TRAINING[::2], ()), "one label alone"),
        (Split(TRAINING, (row(9, 1, "dark", 2),)), "1 patients or groups are in both"),
        (Split(TRAINING, (row(3, 9, "dark", 2),)), "1 slices are in both"),
        (Split(TRAINING, (row(9, 9, "rare", 2),)), "no training slice has the label rare"),
    ],
)
def test_a_list_that_cannot_teach_or_leaks_is_refused(
    tmp_path: Path, split: Split, words: str
) -> None:
    with pytest.raises(TrainingError, match=words):
        check_plan(split, plan(tmp_path), ALONE)


def test_whom_the_beginning_has_seen_cannot_judge(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="was trained on 1 patients"):
        check_plan(SPLIT, plan(tmp_path, start=beginning("P5")), ALONE)
    unknown = plan(tmp_path, start=beginning("P5"), named_by="patient_key")
    with pytest.raises(TrainingError, match=r"nothing tells whether .* say --from-saw-none"):
        check_plan(SPLIT, unknown, ALONE)
    check_plan(SPLIT, replace(unknown, options=RunOptions(start_saw_none=True)), ALONE)


def test_a_batch_that_does_not_divide_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="8 slices does not divide among 3"):
        check_plan(SPLIT, plan(tmp_path), World(0, 3))


def test_a_run_that_is_there_is_gone_on_with_or_refused(tmp_path: Path) -> None:
    config = scheduled(epochs=1)
    run(config, tmp_path)
    check_plan(SPLIT, plan(tmp_path, config=config), ALONE)

    with pytest.raises(InvalidParameter, match="holds a run already"):
        check_plan(SPLIT, plan(tmp_path, config=config, resume=False), ALONE)
    with pytest.raises(TrainingError, match=r"another configuration \(schedule\.seed\)"):
        check_plan(SPLIT, plan(tmp_path, config=scheduled(epochs=1, seed=2)), ALONE)
    with pytest.raises(TrainingError, match="began with random weights"):
        check_plan(SPLIT, plan(tmp_path, config=config, start=beginning("P1")), ALONE)
