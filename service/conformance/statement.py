"""Puts the statement together for one configuration."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel

from dicom_node.meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.scp import NodeConfig
from dicom_node.upper_layer.negotiation import APPLICATION_CONTEXT
from service.conformance import networking, objects, outcomes
from service.conformance.facts import Parameter, Product, Statement
from service.conformance.security import admission, security
from service.processes.node import node_config
from service.settings import Settings

# What of the settings concerns DICOM.
_GROUPS = ("dicom", "gallery")


def default_settings() -> Settings:
    """The settings of an installation where nothing is set, whatever the environment says."""
    return Settings.model_construct()


def statement(settings: Settings) -> Statement:
    """What the node conforms to when it runs with these settings."""
    node = node_config(settings.dicom)
    return Statement(
        product=_product(node),
        acceptance=networking.acceptance(node),
        activities=networking.activities(),
        requestor_limits=networking.requestor_limits(),
        queries=networking.queries(),
        retrievals=networking.retrievals(),
        statuses=outcomes.statuses(),
        commitment=networking.commitment(),
        rejection_titles=objects.rejection_titles(),
        attributes=objects.attributes(),
        image_attributes=objects.image_attributes(),
        character_sets=objects.character_sets(),
        admission=admission(settings),
        security=security(node),
        configuration=tuple(
            parameter
            for group in _GROUPS
            for parameter in _parameters(getattr(settings, group), f"PRECUNEUS_{group.upper()}__")
        ),
    )


def _product(node: NodeConfig) -> Product:
    return Product(
        name="Precuneus",
        version=version("precuneus"),
        ae_title=node.ae_title,
        application_context=APPLICATION_CONTEXT,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        maximum_pdu=node.max_pdu,
    )


def _parameters(group: BaseModel, prefix: str) -> Iterator[Parameter]:
    """A group's settings; of a file only whether it is set, since where it lies is nobody's."""
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            yield from _parameters(value, f"{prefix}{name.upper()}__")
            continue
        shown = _shown(value)
        words = field.description or name.removesuffix("_s").replace("_", " ")
        yield Parameter(words, shown, f"{prefix}{name.upper()}")


def _shown(value: object) -> str:
    if value is None or value == "":
        return "unset"
    if isinstance(value, Path) or str(value).startswith("@"):
        return "set"
    return f"{value:g}" if isinstance(value, float) else f"{value}"
