import os
import socket
import stat
from pathlib import Path

import pytest

from service.errors import ConfigurationError
from service.ports import require_free
from service.state_dir import make_state_dir


def test_a_free_port_is_accepted() -> None:
    require_free("127.0.0.1", 0, "--dicom-port")


def test_a_taken_port_is_told_with_its_option() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(ConfigurationError, match="--dicom-port"):
            require_free("127.0.0.1", holder.getsockname()[1], "--dicom-port")


def test_a_host_that_is_not_ours_is_told() -> None:
    with pytest.raises(ConfigurationError, match="--http-port"):
        require_free("203.0.113.1", 8000, "--http-port")


def test_the_state_folder_is_closed_to_readers(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    make_state_dir(folder)
    # As root the database's own account must pass through, but not look around.
    expected = 0o711 if os.geteuid() == 0 else 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == expected
    make_state_dir(folder)


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="PRECUNEUS_STATE_DIR"):
        make_state_dir(tmp_path / "file" / "state")
