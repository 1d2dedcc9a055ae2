"""Security and admission, as far as this configuration has them."""

from dicom_node.scp import NodeConfig
from service.conformance.facts import Parameter, Security
from service.settings import Settings

_TLS = "PRECUNEUS_DICOM__TLS__"
_PROFILES = (
    "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12): TLS 1.3, or "
    "TLS 1.2 with ephemeral keys and authenticated encryption; nothing weaker can be set",
)


def security(node: NodeConfig) -> Security:
    """What protects associations, and on which ports they come."""
    port = node.port
    # A node that speaks TLS alone has no plain port.
    plain = () if port is None else (Parameter("DICOM", f"{port}", "PRECUNEUS_DICOM__PORT"),)
    profiles, facts, tls_ports = secure_transport(node)
    return Security(facts, profiles, (*plain, *tls_ports))


def secure_transport(
    node: NodeConfig,
) -> tuple[tuple[str, ...], tuple[Parameter, ...], tuple[Parameter, ...]]:
    """The profiles of DICOM over TLS, their facts and their ports; all empty without TLS.

    The one place of this package that knows how a node is told to speak TLS.
    """
    acceptance = node.tls
    if acceptance is None:
        return (), (), ()
    files = acceptance.files
    demanded = acceptance.demand if acceptance.demand is not None else files.ca is not None
    facts = (
        Parameter(
            "Certificate and key",
            "PEM files; replaced ones count without a restart",
            f"{_TLS}CERTIFICATE",
        ),
        Parameter(
            "Peers' certificates",
            "demanded" if demanded else "not demanded",
            f"{_TLS}DEMAND_CERTIFICATE",
        ),
        Parameter("Trusted signers", "a CA file" if files.ca is not None else "none", f"{_TLS}CA"),
        Parameter(
            "Revoked certificates", "a CRL file" if files.crl is not None else "none", f"{_TLS}CRL"
        ),
        Parameter(
            "For the TLS handshake",
            f"{node.deadlines.handshake_s:g} s",
            f"{_TLS}HANDSHAKE_TIMEOUT_S",
        ),
    )
    port = Parameter("DICOM over TLS", f"{acceptance.port}", f"{_TLS}PORT")
    return _PROFILES, facts, (port,)


def admission(settings: Settings) -> tuple[str, ...]:
    """The rules by which received objects enter the search; empty where there are none."""
    text: str = getattr(settings.gallery, "admit", "").strip()
    if text.startswith("@"):
        return ("the rules of the file that `PRECUNEUS_GALLERY__ADMIT` names",)
    lines = (line.partition("#")[0] for line in text.splitlines())
    rules = (rule.strip() for line in lines for rule in line.split(";"))
    return tuple(f"`{rule}`" for rule in rules if rule)
