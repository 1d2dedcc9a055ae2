"""The state folder, made with the permissions that it needs."""

import os
from pathlib import Path

from service.errors import ConfigurationError


def make_state_dir(state_dir: Path) -> None:
    """Make the state folder; as root others may pass through it, since the database's account must.

    What lies in it is closed in itself.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        state_dir.parent.mkdir(parents=True, exist_ok=True)
        state_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The state folder {state_dir} cannot be made: {error.strerror}. "
            "Set PRECUNEUS_STATE_DIR or --state-dir to a folder of yours."
        ) from None
