"""The record in words that an administrator can act on."""

from pydicom.uid import UID

from service.associations.record import AssociationRecord, is_failure

_MEANINGS = {
    0x0110: "processing failure; the node's log has the place",
    0x0112: "no such SOP instance",
    0x0118: "no such SOP class",
    0x0122: "SOP class not supported",
    0x0124: "not authorised: deleted here and not to come again, or the peer is not known",
    0x0211: "a request that the node does not know",
    0x0213: "too much is waiting already",
    0xA700: "disk or database did not take it, or the disk is nearly full",
    0xA900: "SOP Class or Instance UID of dataset and command differ",
}
_NOT_UNDERSTOOD = "cannot be understood: cut off, no UIDs, malformed UIDs, too large"
_WITH = " with "


def words_of(record: AssociationRecord) -> str:
    """Why something was refused or broke off; empty where all went well."""
    said = [record.reason] if record.reason else []
    if record.calling_ae_title is None:
        said = [_without_request(record)]
    if record.refused_contexts:
        names = ", ".join(map(name_of_context, record.first_refused_contexts))
        rest = record.refused_contexts - len(record.first_refused_contexts)
        more = f" and {rest} more" if rest > 0 else ""
        said.append(f"presentation contexts refused: {names}{more}")
    for status, count in record.answers.items():
        if is_failure(int(status, 16)):
            said.append(f"{count} refused with {name_of_status(status)}")
    return "; ".join(said)


def _without_request(record: AssociationRecord) -> str:
    last = record.reason or "no reason is known"
    if record.connections == 1:
        return f"no association was asked for: {last}"
    return f"{record.connections} connections asked for no association; the last: {last}"


def name_of_context(context: str) -> str:
    """A presentation context by its names, where DICOM has some for its UIDs."""
    abstract, *syntaxes = context.split(_WITH)
    named = ", ".join(map(_name, syntaxes))
    return f"{_name(abstract)}{_WITH}{named}" if named else _name(abstract)


def name_of_status(status: str) -> str:
    """A DIMSE status that says failure ("0xA700") and what it means here."""
    number = int(status, 16)
    meaning = _NOT_UNDERSTOOD if number >> 12 == 0xC else _MEANINGS.get(number)
    return f"{status} ({meaning})" if meaning else status


def _name(uid: str) -> str:
    return UID(uid).name
