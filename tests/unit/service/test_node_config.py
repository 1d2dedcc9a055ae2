from dataclasses import replace

from dicom_node.scp import NodeConfig
from dicom_node.storing import StorageLimits
from service.dicom_settings import DicomSettings
from service.processes.node import node_config


def test_the_settings_defaults_are_the_nodes_but_for_the_free_space() -> None:
    kept = StorageLimits(free_bytes=1 << 30)
    assert node_config(DicomSettings()) == replace(NodeConfig(), storage=kept)


def test_settings_reach_the_node() -> None:
    config = node_config(
        DicomSettings(maximum_pdu_bytes=65536, maximum_object_mb=2, pdu_timeout_s=3)
    )
    assert config.max_pdu == 65536
    assert config.storage.object_bytes == 2 << 20
    assert config.deadlines.pdu_s == 3
