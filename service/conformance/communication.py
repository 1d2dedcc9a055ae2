"""Chapters 6 and 7: configuration, associations, presentation contexts, status codes."""

from dicom_node.requesting.retrieving import MAX_SOP_CLASSES
from service.conformance.facts import Activity, Code, Named, Parameter, Statement
from service.conformance.markdown import bullets, heading, paragraph, table

_Names = tuple[Named, ...]
_RESULTS = {1: "1, permanent", 2: "2, transient"}
_SOURCES = {
    1: "1, service user",
    2: "2, service provider (ACSE)",
    3: "3, service provider (presentation)",
}
_ABORT_SOURCES = {0: "0, service user", 2: "2, service provider"}


def configuration(facts: Statement) -> list[str]:
    """6 Configuration."""
    return [
        heading("6", "Configuration"),
        heading("6.1", "General"),
        paragraph(
            "Settings are variables of the environment, or lines of a file `.env`. Known peers",
            "(name, AE title, address, port, networks) are entered by `precuneus node peers add`",
            "and count within moments, without a restart.",
        ),
        table(
            ("setting", "value", "meaning"),
            [(f"`{each.setting}`", each.value, each.name) for each in facts.configuration],
        ),
    ]


def communication(facts: Statement) -> list[str]:
    """7 Network and media communication details."""
    product = facts.product
    return [
        heading("7", "Network and media communication details"),
        heading("7.1", "General"),
        "TCP/IP, over IPv4 or IPv6. Host names of peers are resolved as the system does.",
        table(
            ("association parameter", "value"),
            [
                ("Application Context Name", product.application_context),
                ("Implementation Class UID", product.implementation_class_uid),
                ("Implementation Version Name", product.implementation_version_name),
                ("Maximum PDU length, received", f"{product.maximum_pdu} bytes"),
                ("Maximum PDU length, sent", "what the peer announces"),
                ("Asynchronous Operations Window", "not negotiated: one operation at a time"),
                ("SOP Class Extended Negotiation", "none"),
                ("SOP Class Common Extended Negotiation", "none"),
                ("User Identity Negotiation", "none"),
            ],
        ),
        heading("7.2", "Specifications"),
        heading("7.2.1", f"{product.ae_title} Application Entity"),
        heading("7.2.1.1", "Sequencing"),
        paragraph(
            "Requests on one association are answered one after the other, in their order;",
            "associations are independent of each other. A storage commitment request is answered",
            "first, its result told later, on another association. A pull asks (C-FIND), fetches",
            "(C-MOVE or C-GET), and asks again what is still missing.",
        ),
        *_parameters(facts),
        *_initiation(facts.activities),
        *_acceptance(facts),
        *_status_codes(facts),
    ]


def _parameters(facts: Statement) -> list[str]:
    return [
        heading("7.2.1.2", "Association parameters: timers and limits"),
        "As the acceptor of associations:",
        _table("limit", facts.acceptance.limits),
        _table("timer", facts.acceptance.timers),
        "As the requestor:",
        _table("timer or limit", facts.requestor_limits),
    ]


def _table(what: str, parameters: tuple[Parameter, ...]) -> str:
    rows = [
        (each.name, each.value, f"`{each.setting}`" if each.setting else "fixed")
        for each in parameters
    ]
    return table((what, "value", "setting"), rows)


def _initiation(activities: tuple[Activity, ...]) -> list[str]:
    blocks = [
        heading("7.2.1.3", "Association initiation policy"),
        paragraph(
            "Each activity opens its associations one at a time and releases them at the end. No",
            "extended negotiation is proposed but the SCP role where the tables say so. A storage",
            "context of C-GET is proposed for the classes that the peer says its objects are of,",
            f"at most {MAX_SOP_CLASSES} at a time, or for those listed where it does not say. A",
            "semicolon stands between the transfer syntaxes of different contexts.",
        ),
    ]
    for activity in activities:
        blocks += [
            f"**{activity.service}**: {activity.when}.",
            table(
                ("abstract syntax", "transfer syntaxes", "role"),
                [
                    (_names(classes), "; ".join(map(_names, syntaxes)), role)
                    for (classes, role), syntaxes in _grouped(activity).items()
                ],
            ),
        ]
    return blocks


def _grouped(activity: Activity) -> dict[tuple[_Names, str], list[_Names]]:
    """Contexts of the same classes and role side by side: the syntaxes of each."""
    groups: dict[tuple[_Names, str], list[_Names]] = {}
    for context in activity.contexts:
        group = groups.setdefault((context.sop_classes, context.role), [])
        group.append(context.transfer_syntaxes)
    return groups


def _names(those: _Names) -> str:
    return ", ".join(f"{one.name} ({one.uid})" for one in those)


def _acceptance(facts: Statement) -> list[str]:
    accepted = facts.acceptance
    return [
        heading("7.2.1.4", "Association acceptance policy"),
        bullets(
            (
                f"The called AE title must be {facts.product.ae_title}.",
                "As long as no peer is known, whoever reaches the port may associate, and the log "
                "warns loudly. Once one is known, known peers alone may: told by calling AE title "
                "and by address or network.",
                "Every SOP class of the first table is accepted with every transfer syntax of the "
                "second, as SCP. Of the transfer syntaxes that a presentation context proposes, "
                "the first acceptable one is chosen: what a peer holds comes first, so nothing is "
                "transcoded without need.",
                "Proposed SCP/SCU roles are not answered: the default roles hold.",
            )
        ),
        table(("SOP class", "UID"), [(one.name, one.uid) for one in accepted.sop_classes]),
        table(
            ("transfer syntax", "UID"), [(one.name, one.uid) for one in accepted.transfer_syntaxes]
        ),
        "Never accepted, since a deflated object may be a bomb, and of a referenced one the pixels "
        "are elsewhere:",
        table(
            ("transfer syntax", "UID"),
            [(one.name, one.uid) for one in accepted.refused_transfer_syntaxes],
        ),
    ]


def _status_codes(facts: Statement) -> list[str]:
    codes = facts.statuses
    return [
        heading("7.3", "Status codes"),
        heading("7.3.1", "General"),
        "An association is rejected (A-ASSOCIATE-RJ) so:",
        table(
            ("result", "source", "reason", "when"),
            [
                (_RESULTS[r.result], _SOURCES[r.source], f"{r.reason}, {r.meaning}", r.when)
                for r in codes.rejects
            ],
        ),
        "It is aborted (A-ABORT) so; a peer that never asks for an association is dropped without:",
        table(
            ("source", "reason", "when"),
            [(_ABORT_SOURCES[a.source], a.reason, a.when) for a in codes.aborts],
        ),
        heading("7.3.2", "DIMSE services"),
        "Responses carry an Error Comment (0000,0902) wherever it helps. Of any operation:",
        _codes(codes.general),
        "C-STORE:",
        _codes(codes.store),
        "N-ACTION of storage commitment:",
        _codes(codes.action),
        "Failure Reason (0008,1197) of an object in the N-EVENT-REPORT of storage commitment:",
        _codes(codes.failure_reasons),
        paragraph(
            "As SCU: any status of a C-FIND but 0x0000, 0xFF00 and 0xFF01 ends the query as",
            "failed or, at STUDY level, as incomplete. 0xA801 of a C-MOVE has the pull go on by",
            "C-GET where the peer takes it. Sub-operations that failed are counted and named, and",
            "the next run asks for them again. Any status of an N-EVENT-REPORT but 0x0000 has it",
            "sent again later.",
        ),
        heading("7.3.3", "DICOM web services"),
        "None.",
    ]


def _codes(codes: tuple[Code, ...]) -> str:
    return table(("status", "meaning", "when"), [(c.code, c.meaning, c.when) for c in codes])
