"""Chapter 5: each service and how it behaves."""

from service.conformance.facts import Statement
from service.conformance.markdown import bullets, heading, paragraph, table


def services(facts: Statement) -> list[str]:
    """5 Service and interoperability description."""
    return [
        heading("5", "Service and interoperability description"),
        heading("5.1", "Mapping of services to Application Entities"),
        f"All services are those of the one Application Entity, {facts.product.ae_title}.",
        heading("5.2", "DIMSE services"),
        heading("5.2.1", "Verification"),
        "As SCP, C-ECHO is answered with 0x0000. As SCU, it is sent when an operator asks.",
        *_storage(facts),
        *_commitment(facts),
        *_query_retrieve(facts),
        heading("5.3", "DICOM web services"),
        "None.",
        heading("5.4", "Media services"),
        "None.",
        heading("5.5", "Real-time video services"),
        "None.",
        *_change_management(facts),
        *_character_sets(facts),
    ]


def _storage(facts: Statement) -> list[str]:
    return [
        heading("5.2.2", "Storage, SCP"),
        bullets(
            (
                "Level 2 (full) storage: all attributes are kept, private ones among them. No "
                "element is coerced; the dataset is kept byte for byte, so digital signatures "
                "stay valid.",
                "0x0000 means that the object is on disk and in the database"
                + (", or that a rule of section 5.2.2.1 drops it." if facts.admission else "."),
                "The same bytes again under the same SOP Instance UID are answered with 0x0000 "
                "and not stored twice. Other bytes are answered with 0x0000, kept beside the "
                "first ones, and flagged; the first ones stay in the search.",
                "Objects without pixels, and pictures that cannot be decoded, are answered with "
                "0x0000 and stored; they are not searchable.",
                "An object over the size limit is read to its end and refused; at twice the "
                "limit the association is aborted.",
                "Private SOP classes are not negotiated.",
                "Objects stay until they are deleted by an operator or a rejection note.",
            )
        ),
        *_admission(facts.admission),
        heading("5.2.3", "Storage, SCU"),
        "Not claimed (section 3.3).",
    ]


def _admission(rules: tuple[str, ...]) -> list[str]:
    if not rules:
        return []
    return [
        heading("5.2.2.1", "Admission"),
        paragraph(
            "The first of these rules that applies to an object says whether it is searched",
            "(admit), kept without being searched (store), or not kept (drop). The answer is",
            "0x0000 in each case; storage commitment fails for what is dropped (0x0112).",
        ),
        bullets(rules),
    ]


def _commitment(facts: Statement) -> list[str]:
    told = facts.commitment
    return [
        heading("5.2.4", "Storage commitment, SCP"),
        bullets(
            (
                "N-ACTION (Action Type ID 1) is taken of known peers alone, since the result goes "
                "to a known peer's address. The request is kept in the database before it is "
                "answered with 0x0000.",
                "N-EVENT-REPORT (Event Type ID 1, or 2 where failures exist) is sent on a new "
                "association that the node opens, in which it proposes to be the SCP; never on "
                "the association of the request.",
                "What is stored is looked up when the result is told: an object counts when it is "
                "registered under the SOP class asked for, and its file has its whole size.",
                f"A peer that does not take the result is tried again after "
                f"{told.first_pause_s:g} s, then after twice as long each time, at most "
                f"{told.longest_pause_s / 60:g} min, in all {told.attempts} times, restarts "
                "notwithstanding.",
                "The same Transaction UID asked for again is told again, of what was asked for "
                "last.",
                "Referenced storage media are not supported.",
            )
        ),
        table(("limit", "value"), [(limit.name, limit.value) for limit in told.limits]),
    ]


def _query_retrieve(facts: Statement) -> list[str]:
    return [
        heading("5.2.5", "Query/Retrieve, SCU"),
        paragraph(
            "The Study Root model alone, without relational queries or other extended",
            "negotiation. No attribute of a patient is asked for. Studies are listed by ranges of",
            "days; a range whose answer may have been cut off is asked for again in halves, down",
            "to minutes of a day.",
        ),
        table(
            ("C-FIND level", "keys with a value", "keys to be answered"),
            [(q.level, ", ".join(q.matching), ", ".join(q.returned)) for q in facts.queries],
        ),
        paragraph(
            "Of the matching keys at STUDY level those without a value are sent empty. Date and",
            "time are range matching, the others single value matching. A peer that does not",
            "answer at IMAGE level is compared by numbers.",
        ),
        table(
            ("C-MOVE and C-GET level", "unique keys"),
            [(r.level, ", ".join(r.keys)) for r in facts.retrievals],
        ),
        paragraph(
            "What is here already is not asked for again. C-MOVE names our own AE title as its",
            "destination; C-GET takes objects on the association that asks for them, and answers",
            "their C-STORE sub-operations as section 7.3.2 says. C-CANCEL is not sent.",
        ),
    ]


def _change_management(facts: Statement) -> list[str]:
    return [
        heading("5.6", "Cross-service considerations"),
        paragraph(
            "Key Object Selection documents with one of these titles (coding scheme DCM, PS3.16",
            "CID 7011) are rejection notes of IHE's IOCM profile. A note counts when it is a known",
            "peer's, or imported by an operator; then it acts at once, and on instances that come",
            "only later. Every other one is stored as the document that it is.",
        ),
        table(
            ("title", "meaning", "what becomes of the instances"),
            [(t.code, t.meaning, t.effect) for t in facts.rejection_titles],
        ),
    ]


def _character_sets(facts: Statement) -> list[str]:
    return [
        heading("5.7", "Specific character sets"),
        paragraph(
            "Datasets are kept in the character set they came in. The few texts that the database",
            "keeps (annex A) are read in the dataset's own: the default repertoire,",
            f"{', '.join(facts.character_sets)}. Queries hold nothing beyond the default",
            "repertoire, and name no Specific Character Set (0008,0005).",
        ),
    ]
