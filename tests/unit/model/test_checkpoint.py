"""Checkpoints: what goes in comes out, and nothing else passes for one."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from model import checkpoint
from model.errors import CheckpointError, CheckpointMissingError, CheckpointTamperedError
from model.network_config import MSNetConfig
from tests.unit.model.made import TINY, info, network, saved


def test_everything_comes_back(tmp_path: Path) -> None:
    made = network()
    loaded = checkpoint.load(saved(tmp_path, made))

    assert loaded.info == info()
    assert loaded.name == f"msnet-{loaded.digest[:12]}"
    np.testing.assert_array_equal(
        loaded.weights["stem.0.0.weight"], made.stem[0][0].weight.detach()
    )


def test_the_same_content_has_the_same_name(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "a", network()), saved(tmp_path / "b", network())
    other = saved(tmp_path / "c", network(seed=2))

    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    assert other.name != first.name
    assert [p.name for p in (tmp_path / "a").iterdir()] == [first.name]


@pytest.mark.parametrize("at", [20, -1])
def test_one_changed_byte_is_noticed(tmp_path: Path, at: int) -> None:
    path = saved(tmp_path, network())
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)

    with pytest.raises(CheckpointTamperedError, match="damaged or exchanged"):
        checkpoint.load(path)
    with pytest.raises(CheckpointTamperedError):
        checkpoint.describe(path)


def test_a_missing_file_and_a_wrong_name_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissingError):
        checkpoint.load(tmp_path / "msnet-0123456789ab.safetensors")
    with pytest.raises(CheckpointError, match="is not named"):
        checkpoint.load(tmp_path / "weights.pt")


def renamed(path: Path, content: bytes) -> Path:
    """Give content the name that its hash asks for."""
    made = path.with_name(f"msnet-{hashlib.sha256(content).hexdigest()[:12]}.safetensors")
    made.write_bytes(content)
    return made


@pytest.mark.parametrize("content", [b"", b"no header", b"\x02" + bytes(7) + b"{}", bytes(100)])
def test_other_files_with_a_true_hash_are_refused(tmp_path: Path, content: bytes) -> None:
    path = renamed(tmp_path / "x", content)

    with pytest.raises(CheckpointError):
        checkpoint.load(path)
    with pytest.raises(CheckpointError):
        checkpoint.describe(path)


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """A copy whose facts were edited, under the name that its hash asks for."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    facts = json.loads(header["__metadata__"]["precuneus"])
    edit(facts)
    header["__metadata__"]["precuneus"] = json.dumps(facts)
    text = json.dumps(header).encode()
    return renamed(path, len(text).to_bytes(8, "little") + text + content[8 + length :])


def test_another_preprocessing_version_is_refused(tmp_path: Path) -> None:
    path = edited(saved(tmp_path, network()), lambda f: f["preprocess"].update(version="0"))

    with pytest.raises(CheckpointError, match="needs preprocessing 0"):
        checkpoint.load(path)


@pytest.mark.parametrize("part", [lambda f: f, lambda f: f["network"], lambda f: f["preprocess"]])
def test_a_field_that_nobody_knows_comes_from_a_newer_version(
    tmp_path: Path, part: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    path = edited(saved(tmp_path, network()), lambda f: part(f).update(halo=3))

    with pytest.raises(CheckpointError, match=r"newer version: unknown halo") as caught:
        checkpoint.load(path)
    assert path.name in str(caught.value)


def test_a_file_without_the_newer_fields_has_their_defaults(tmp_path: Path) -> None:
    def age(facts: dict[str, Any]) -> None:
        del facts["trained_on"]
        del facts["group_kind"]
        facts["network"] = {name: facts["network"][name] for name in ("widths", "depths")}
        del facts["preprocess"]["low_percentile"]

    loaded = checkpoint.load(edited(saved(tmp_path, network()), age)).info

    assert (loaded.trained_on, loaded.group_kind) == ((), "patient_id")
    assert loaded.network == MSNetConfig(widths=TINY.widths, depths=TINY.depths)
    assert loaded.preprocess == info().preprocess


def test_the_groups_of_training_are_kept_hashed(tmp_path: Path) -> None:
    seen = tuple(checkpoint.hash_group(name) for name in ("P-1", "P-2"))
    weights = {"embedding.bias": np.zeros(3, np.float32)}

    facts = replace(info(), trained_on=seen, group_kind="patient_key")
    path = checkpoint.save(tmp_path, weights, facts)
    loaded = checkpoint.load(path).info

    assert (loaded.trained_on, loaded.group_kind) == (seen, "patient_key")
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in seen)
    assert len(set(seen)) == 2
    assert b"P-1" not in path.read_bytes()


def test_groups_named_in_a_way_that_nobody_knows_come_from_a_newer_version(tmp_path: Path) -> None:
    path = edited(saved(tmp_path, network()), lambda f: f.update(group_kind="face"))

    with pytest.raises(CheckpointError, match="newer version: unknown group_kind"):
        checkpoint.load(path)


def test_half_precision_halves_the_file_and_comes_back_as_float32(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weights = {
        "filters": rng.normal(size=(64, 64)).astype(np.float32),
        "variances": np.full(8, 1e-9, np.float32),
    }

    path = checkpoint.save(tmp_path, weights, info(), dtype="float16")
    loaded = checkpoint.load(path)

    assert path.stat().st_size < checkpoint.save(tmp_path, weights, info()).stat().st_size - 8000
    assert {tensor.dtype for tensor in loaded.weights.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(loaded.weights["filters"], weights["filters"], rtol=1e-3)
    # Vectors hold variances that float16 cannot tell from zero.
    np.testing.assert_array_equal(loaded.weights["variances"], weights["variances"])
    assert loaded.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    saved_again = checkpoint.save(tmp_path / "again", loaded.weights, info(), dtype="float16")
    assert saved_again.name == path.name
    again = checkpoint.load(saved_again).weights
    np.testing.assert_array_equal(again["filters"], loaded.weights["filters"])


@pytest.mark.parametrize(
    ("value", "dtype"), [(np.nan, "float32"), (np.inf, "float32"), (1e6, "float16")]
)
def test_weights_that_are_no_numbers_are_not_saved(
    tmp_path: Path, value: float, dtype: Literal["float32", "float16"]
) -> None:
    weights = {"stem": np.full((2, 2), value, np.float32)}

    with pytest.raises(CheckpointError, match="stem holds NaN or infinity"):
        checkpoint.save(tmp_path, weights, info(), dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_not_loaded(tmp_path: Path) -> None:
    content = saved(tmp_path, network()).read_bytes()
    broken = content[:-4] + np.array([np.nan], "<f4").tobytes()

    with pytest.raises(CheckpointError, match="holds NaN or infinity"):
        checkpoint.load(renamed(tmp_path / "x", broken))


@pytest.mark.parametrize("kept", [4, 100, 0.5, -1])
def test_a_truncated_file_is_refused_whatever_its_name(tmp_path: Path, kept: float) -> None:
    path = saved(tmp_path, network())
    content = path.read_bytes()
    short = content[: int(kept * len(content)) if isinstance(kept, float) else int(kept)]

    with pytest.raises(CheckpointError):
        checkpoint.load(renamed(path, short))
    path.write_bytes(short)
    with pytest.raises(CheckpointTamperedError):
        checkpoint.load(path)


def test_facts_can_be_read_without_torch(tmp_path: Path) -> None:
    path = saved(tmp_path, network())
    program = (
        "import json, sys, pathlib; from model.checkpoint import describe;"
        "digest, info = describe(pathlib.Path(sys.argv[1]));"
        "print(json.dumps([digest, info.metrics, 'torch' in sys.modules]))"
    )

    run = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )

    digest, metrics, torch_was_loaded = json.loads(run.stdout)
    assert path.stem == f"msnet-{digest[:12]}"
    assert metrics == {"tumour_macro_map": 0.5}
    assert not torch_was_loaded
