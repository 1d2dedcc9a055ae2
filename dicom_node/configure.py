"""Sets the DICOM libraries up: silent, since their logs and warnings quote values of the dataset.

A process calls these once at start-up; nothing here runs at import.
"""

import logging
import warnings

import gdcm
import pydicom.config
import pynetdicom._config

from dicom_node.jpeg_extended import add_plugin

_ABOVE_ALL_LEVELS = logging.CRITICAL + 1


def configure_pydicom() -> None:
    """Make pydicom and the codecs lenient and silent, and add the codec that pydicom lacks.

    The filter is by module and not `warnings.catch_warnings`, which is not thread-safe.
    """
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    for library in ("pydicom", "pylibjpeg", "openjpeg", "PIL"):
        logging.getLogger(library).setLevel(_ABOVE_ALL_LEVELS)
        warnings.filterwarnings("ignore", module=library)
    add_plugin()
    for stream_off in (gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff, gdcm.Trace.DebugOff):
        stream_off()


def configure_pynetdicom() -> None:
    """Switch off pynetdicom's event log, and send files as they are instead of re-encoding them."""
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    pynetdicom._config.STORE_SEND_CHUNKED_DATASET = True
    logging.getLogger("pynetdicom").setLevel(_ABOVE_ALL_LEVELS)
    # It forgets to close the socket of a connection that was refused.
    warnings.filterwarnings("ignore", category=ResourceWarning, module="pynetdicom")
