from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from dicom_node.contexts import STORAGE_SOP_CLASSES
from service.admission.parsing import MalformedRules, parse_rules
from service.admission.rules import (
    ACTIONS,
    MAY_BE_ABSENT,
    SUBJECTS,
    AdmissionRules,
    Condition,
    ObjectFacts,
    Rule,
    Subject,
)
from service.admission.wording import in_words, otherwise_in_words, reason_of, text_of

KEYWORDS = sorted({UID(uid).keyword for uid in STORAGE_SOP_CLASSES} - {""})
NEARLY_RULES = st.lists(
    st.sampled_from(
        [
            *("admit ", "store ", "drop ", "otherwise ", "modality", "body_part", "image_type"),
            *("=", "!=", ",", ";", "\n", '"', '""', "#", "!", "*", "CT", "sop_class", "1.2", "\0"),
        ]
    )
).map("".join)


def values(subject: Subject) -> st.SearchStrategy[str]:
    if subject == "sop_class":
        return st.sampled_from(KEYWORDS) | st.text("0123456789.*?", min_size=1, max_size=64)
    forbidden = '"\\' if subject == "image_type" else '"'
    texts = st.text(
        st.characters(blacklist_characters=forbidden).filter(str.isprintable), max_size=64
    ).map(str.strip)
    return texts if subject in MAY_BE_ABSENT else texts.filter(bool)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    subject = draw(st.sampled_from(SUBJECTS))
    patterns = draw(st.lists(values(subject), min_size=1, max_size=4))
    return Condition(subject, tuple(patterns), draw(st.booleans()))


RULES = st.builds(
    AdmissionRules,
    st.lists(
        st.builds(
            Rule,
            st.sampled_from(ACTIONS),
            st.lists(conditions(), min_size=1, max_size=3).map(tuple),
        ),
        max_size=4,
    ).map(tuple),
    st.sampled_from(ACTIONS),
)
FACTS = st.builds(
    ObjectFacts,
    st.sampled_from(["CT", "MR", "OT"]) | st.text(min_size=1),
    st.none() | st.text(),
    st.lists(st.text(), max_size=4).map(tuple),
    st.sampled_from(sorted(STORAGE_SOP_CLASSES)) | st.text("0123456789.", min_size=1),
    st.text(min_size=1),
)


@given(st.text() | NEARLY_RULES)
def test_every_text_is_rules_or_has_its_fault_named(text: str) -> None:
    try:
        rules = parse_rules(text)
    except MalformedRules as error:
        message = str(error)
    else:
        message = f"character 0: {text_of(rules)}"
        assert parse_rules(text_of(rules)) == rules
    assert "character " in message


@given(RULES)
def test_what_is_printed_is_parsed_again(rules: AdmissionRules) -> None:
    printed = text_of(rules)
    assert "\n" not in printed
    assert parse_rules(printed) == rules


@given(RULES, FACTS)
def test_every_object_is_decided_by_the_first_rule_that_applies(
    rules: AdmissionRules, facts: ObjectFacts
) -> None:
    decision = rules.decide(facts)
    before = rules.rules[: decision.number - 1]
    assert not any(rule.applies(facts) for rule in before)
    if decision.rule is None:
        assert decision.action == rules.otherwise
        assert len(before) == len(rules.rules)
    else:
        assert decision.rule is rules.rules[decision.number - 1]
        assert decision.rule.applies(facts)
    assert (reason_of(decision) is None) is (decision.action == "admit")
    kept = rules.keeping_all().decide(facts)
    assert (kept.number, kept.action == "admit") == (decision.number, decision.action == "admit")


@given(conditions(), FACTS)
def test_a_negated_condition_is_the_opposite(condition: Condition, facts: ObjectFacts) -> None:
    opposite = Condition(condition.subject, condition.patterns, not condition.negated)
    assert condition.holds(facts) is not opposite.holds(facts)


@given(RULES)
def test_all_rules_can_be_said_in_words(rules: AdmissionRules) -> None:
    for rule in rules.rules:
        assert " if " in in_words(rule)
    assert "thing" in otherwise_in_words(rules)
