import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from service.errors import ConfigurationError
from service.patients import PatientKeyer, load_patient_keyer

SECRET = b"0123456789abcdef"


def test_a_key_tells_nothing_without_the_secret() -> None:
    key = PatientKeyer(SECRET).key("A-1", "", "1.2.3")
    assert key == PatientKeyer(SECRET).key("A-1", "", "1.2.3")
    assert key != PatientKeyer(SECRET + b"!").key("A-1", "", "1.2.3")


def test_the_study_counts_only_without_patient_id() -> None:
    keyer = PatientKeyer(SECRET)
    assert keyer.key("A-1", "", "1.2.3") == keyer.key("A-1", "", "1.2.4")
    assert keyer.key("", "", "1.2.3") != keyer.key("", "", "1.2.4")
    # A Patient ID that reads like a Study Instance UID is still a Patient ID.
    assert keyer.key("1.2.3", "", "1.2.9") != keyer.key("", "", "1.2.3")


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="16 bytes"):
        PatientKeyer(SECRET[:-1])


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "patient_key"
    first = load_patient_keyer(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(file.read_bytes()) >= 32
    assert load_patient_keyer(file).fingerprint() == first.fingerprint()


def test_two_installations_have_different_secrets(tmp_path: Path) -> None:
    one, other = (load_patient_keyer(tmp_path / name / "key") for name in ("one", "other"))
    assert one.fingerprint() != other.fingerprint()


def test_those_who_make_the_secret_at_once_agree(tmp_path: Path) -> None:
    threads = 8
    for attempt in range(10):
        file = tmp_path / str(attempt) / "patient_key"
        barrier = Barrier(threads)

        def make(_number: int, file: Path = file, barrier: Barrier = barrier) -> str:
            barrier.wait()
            return load_patient_keyer(file).fingerprint()

        with ThreadPoolExecutor(threads) as pool:
            assert len(set(pool.map(make, range(threads)))) == 1
        assert list(file.parent.iterdir()) == [file]


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "patient_key"
    folder.mkdir()
    with pytest.raises(ConfigurationError, match="PRECUNEUS_PATIENT_KEY_FILE"):
        load_patient_keyer(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_another_users_secret_is_named(tmp_path: Path) -> None:
    file = tmp_path / "patient_key"
    load_patient_keyer(file)
    file.chmod(0)
    with pytest.raises(ConfigurationError, match="PRECUNEUS_PATIENT_KEY_FILE"):
        load_patient_keyer(file)
