"""Security and admission, as far as this configuration has them."""

from pydantic import BaseModel

from service.conformance.facts import Parameter, Security
from service.settings import Settings


def security(settings: Settings) -> Security:
    """What protects associations, and on which ports they come."""
    ports = (Parameter("DICOM", f"{settings.dicom.port}", "PRECUNEUS_DICOM__PORT"),)
    profiles, facts, tls_ports = secure_transport(settings)
    return Security(facts, profiles, (*ports, *tls_ports))


def secure_transport(
    settings: Settings,
) -> tuple[tuple[str, ...], tuple[Parameter, ...], tuple[Parameter, ...]]:
    """The profiles of DICOM over TLS, their facts and their ports; all empty without TLS.

    The one place of this package that knows what the settings of TLS are called.
    """
    return (), (), ()


def admission(settings: Settings) -> tuple[str, ...]:
    """The rules by which received objects enter the gallery; empty where there are none."""
    rules = getattr(settings.gallery, "admit", None) or ()
    if isinstance(rules, str):
        return (rules,)
    return tuple(
        rule.model_dump_json(exclude_none=True) if isinstance(rule, BaseModel) else str(rule)
        for rule in rules
    )
