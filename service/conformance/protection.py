"""Chapter 8 and the annexes: security, privacy, and what is read from objects."""

from service.conformance.facts import Attribute, Parameter, Security, Statement
from service.conformance.markdown import bullets, heading, paragraph, table


def protection(facts: Statement) -> list[str]:
    """8 Security."""
    return [
        heading("8", "Security"),
        heading("8.1", "Introduction"),
        paragraph(
            "A node that is reachable from outside its own machine should know its peers, and",
            "stand behind a firewall that admits these alone.",
        ),
        heading("8.2", "External network requirements"),
        "None but the connections of this statement.",
        heading("8.3", "TCP ports"),
        _settings(facts.security.ports),
        heading("8.4", "DICOM security profiles"),
        *_secure_transport(facts.security),
        paragraph(
            "No profile of secure use, of digital signatures, of attribute confidentiality, of",
            "media or of audit messages is claimed.",
        ),
        heading("8.5", "User Identity Negotiation"),
        "Neither proposed nor answered.",
        heading("8.6", "Web services security"),
        "No DICOM web services.",
        heading("8.7", "Other security features"),
        bullets(
            (
                "Association level: called and calling AE title, address, and the limits and "
                "timers of section 7.2.1.2; storage commitment and rejection notes of known peers "
                "alone.",
                "Every refusal and every association's end is logged with its reason.",
                "Received bytes are parsed within bounds of memory and steps, and pixels are "
                "decoded in processes of their own.",
                "A received UID never becomes a file name.",
            )
        ),
    ]


def _settings(parameters: tuple[Parameter, ...]) -> str:
    rows = [
        (each.name, each.value, f"`{each.setting}`" if each.setting else "") for each in parameters
    ]
    return table(("", "value", "setting"), rows)


def _secure_transport(security: Security) -> list[str]:
    if not security.tls_profiles:
        return ["Secure transport: this configuration offers none. Associations are plain TCP."]
    return [
        "Secure transport (PS3.15 Annex B):",
        bullets(security.tls_profiles),
        _settings(security.secure_transport),
    ]


def annexes(facts: Statement) -> list[str]:
    """The annexes."""
    return [
        "## Annex A: Information Object Definitions",
        paragraph(
            "No objects are created, and none is altered. Of received objects these attributes",
            "are read at registration; the file keeps all of them, the database what the table",
            "says:",
        ),
        _attributes(facts.attributes),
        "These are read from a picture when it is decoded, and leave nothing in the database:",
        paragraph(", ".join(f"{one.name} {one.tag}" for one in facts.image_attributes) + "."),
        "### Privacy",
        paragraph(
            "Patient's Name, Patient ID, Issuer of Patient ID and Patient's Birth Date are never",
            "in a log, a URL, a file name, an error message or an Error Comment. Name and birth",
            "date are not read at all, neither by the node nor by the decoder. Logs hold AE",
            "titles, IP addresses, UIDs and status codes.",
        ),
        "### Standard extended, specialised and private SOP classes",
        "None. No private attributes are defined; those of received objects are kept.",
        "## Annex B: Structured Report content",
        paragraph(
            "None is created. Of received reports, only Key Object Selection documents are read",
            "(section 5.6): their title, and the Current Requested Procedure Evidence Sequence.",
        ),
        "## Annex C: Security details",
        "Nothing beyond chapter 8.",
        "## Annex D: Mapping of attributes; transformation of DICOM",
        paragraph(
            "DICOM is transformed to nothing that leaves as DICOM, HL7 or FHIR. The REST API",
            "answers with JSON (the facts that annex A marks as kept) and with PNG pictures.",
        ),
        "## Annex E: Code sets",
        "The titles of rejection notes (section 5.6), of coding scheme DCM. No others.",
    ]


def _attributes(attributes: tuple[Attribute, ...]) -> str:
    return table(
        ("attribute", "tag", "in the database"),
        [(one.name, one.tag, one.kept) for one in attributes],
    )
