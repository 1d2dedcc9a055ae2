"""Sets the DICOM libraries up anew in each test, since pytest restores warning filters."""

import pytest

from dicom_node.configure import configure_pydicom, configure_pynetdicom


@pytest.fixture(autouse=True)
def _configured() -> None:
    configure_pydicom()
    configure_pynetdicom()
