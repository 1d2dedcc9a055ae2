"""Says rules and decisions: in the text they are written in, in words, and as a row's reason."""

import re

from service.admission.parsing import BARE, OTHERWISE
from service.admission.rules import (
    ABSENT,
    Action,
    AdmissionRules,
    Condition,
    Decision,
    Rule,
    Subject,
)

NOT_ADMITTED = "not admitted: "
"""How every reason begins that a rule gave, and no other reason does."""

_MAX_REASON = 200
_NAMES: dict[Subject, str] = {
    "modality": "Modality",
    "body_part": "Body Part Examined",
    "image_type": "Image Type",
    "sop_class": "SOP Class",
    "calling_ae_title": "calling AE title",
}
_ACTIONS: dict[Action, str] = {
    "admit": "admitted to the search",
    "store": "stored, but not searched",
    "drop": "acknowledged, but not kept",
}


def text_of(rules: AdmissionRules) -> str:
    """The rules on one line; parsing it gives the same rules."""
    return "; ".join([*map(text_of_rule, rules.rules), f"{OTHERWISE} {rules.otherwise}"])


def text_of_rule(rule: Rule) -> str:
    """One rule as it is written."""
    return " ".join([rule.action, *map(_text_of_condition, rule.conditions)])


def _text_of_condition(condition: Condition) -> str:
    sign = "!=" if condition.negated else "="
    values = (p if re.fullmatch(BARE, p) else f'"{p}"' for p in condition.patterns)
    return f"{condition.subject}{sign}{','.join(values)}"


def reason_of(decision: Decision) -> str | None:
    """Why an object is not embedded, to be kept in its row; None where it is admitted."""
    if decision.action == "admit":
        return None
    if decision.rule is None:
        return f"{NOT_ADMITTED}no rule is about it, otherwise {decision.action}"
    reason = f"{NOT_ADMITTED}rule {decision.number}, {text_of_rule(decision.rule)}"
    return reason if len(reason) <= _MAX_REASON else f"{reason[: _MAX_REASON - 1]}…"


def name_of(decision: Decision) -> str:
    """Which rule decided, for a person."""
    return OTHERWISE if decision.rule is None else f"rule {decision.number}"


def in_words(rule: Rule) -> str:
    """What a rule does, for a person."""
    conditions = ", and ".join(map(_in_words, rule.conditions))
    return f"{_ACTIONS[rule.action]} if {conditions}"


def otherwise_in_words(rules: AdmissionRules) -> str:
    """What becomes of all that no rule is about."""
    every = "everything else" if rules.rules else "everything"
    return f"{every} is {_ACTIONS[rules.otherwise]}"


def _in_words(condition: Condition) -> str:
    verb = "is not" if condition.negated else "is"
    if condition.subject != "image_type":
        values = [pattern or "absent" for pattern in condition.patterns]
        return f"{_NAMES[condition.subject]} {verb} {_listed(values)}"
    named = [pattern for pattern in condition.patterns if pattern != ABSENT]
    parts = []
    if named:
        which = "no value" if condition.negated else "a value"
        parts.append(f"{which} of Image Type is {_listed(named)}")
    if ABSENT in condition.patterns:
        parts.append(f"Image Type {verb} absent")
    return (" and " if condition.negated else " or ").join(parts)


def _listed(values: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(values[:-1]), values[-1]]))
