from dataclasses import replace

import pytest

from service.admission.parsing import parse_rules
from service.admission.rules import ABSENT, AdmissionRules, Condition, ObjectFacts
from service.admission.wording import NOT_ADMITTED, in_words, otherwise_in_words, reason_of

CT = ObjectFacts(
    modality="CT",
    body_part="HEAD",
    image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    calling_ae_title="CT SCANNER",
)
NEURO = """
# What is no picture of its own comes first.
drop modality=SR,PR
store image_type=LOCALIZER,*SCOUT*
store sop_class=*SecondaryCapture*
admit modality=CT,MR body_part=HEAD,BRAIN,""
otherwise store
"""


@pytest.mark.parametrize(
    ("facts", "action", "number"),
    [
        (CT, "admit", 4),
        (replace(CT, body_part=None), "admit", 4),
        (replace(CT, body_part="brain"), "admit", 4),
        (replace(CT, body_part="CHEST"), "store", 5),
        (replace(CT, modality="SR"), "drop", 1),
        (replace(CT, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), "store", 2),
        (replace(CT, image_type=("DERIVED", "CT_SCOUT_2")), "store", 2),
        (replace(CT, image_type=()), "admit", 4),
        (replace(CT, sop_class_uid="1.2.840.10008.5.1.4.1.1.7"), "store", 3),
        (replace(CT, sop_class_uid="1.2.840.10008.5.1.4.1.1.7.4"), "store", 3),
        (replace(CT, sop_class_uid="1.2.3"), "admit", 4),
    ],
)
def test_the_first_rule_that_applies_decides(facts: ObjectFacts, action: str, number: int) -> None:
    decision = parse_rules(NEURO).decide(facts)
    assert (decision.action, decision.number) == (action, number)


def test_without_rules_everything_is_admitted() -> None:
    decision = AdmissionRules().decide(CT)
    assert (decision.action, reason_of(decision)) == ("admit", None)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("calling_ae_title=ct?scanner", True),
        ('calling_ae_title="CT SCANNER"', True),
        ("calling_ae_title=CT", False),
        ("calling_ae_title=[a-z]*", False),
        ("sop_class=ctimagestorage", True),
        ("sop_class=1.2.840.10008.5.1.4.1.1.2", True),
        ("sop_class=1.2.840.10008.5.1.4.1.1.2?", False),
        ("sop_class!=MRImageStorage", True),
        ("body_part=*", True),
        ('body_part=""', False),
        ('body_part!=""', True),
        ('body_part!=BRAIN,""', True),
        ("image_type=PRIMARY", True),
        ("image_type=PRIMARY image_type=AXIAL", True),
        ("image_type=PRIMARY image_type=MPR", False),
        ("image_type!=MPR,AXIAL", False),
        ("image_type!=MPR", True),
    ],
)
def test_conditions(condition: str, *, holds: bool) -> None:
    rules = parse_rules(f"drop {condition}; otherwise admit")
    assert (rules.decide(CT).action == "drop") is holds


@pytest.mark.parametrize("image_type", [(), ("",), ("", "")])
def test_an_image_type_of_empty_values_is_absent(image_type: tuple[str, ...]) -> None:
    facts = replace(CT, image_type=image_type)
    assert Condition("image_type", ("MPR", ABSENT)).holds(facts)
    assert not Condition("image_type", ("*",)).holds(facts)
    assert Condition("image_type", ("*",), negated=True).holds(facts)


def test_a_reason_names_its_rule() -> None:
    rules = parse_rules(NEURO)
    assert reason_of(rules.decide(replace(CT, modality="SR"))) == (
        "not admitted: rule 1, drop modality=SR,PR"
    )
    assert reason_of(rules.decide(replace(CT, body_part="CHEST"))) == (
        "not admitted: no rule is about it, otherwise store"
    )


def test_a_reason_is_bounded() -> None:
    many = ",".join(f"M{number}" for number in range(99))
    reason = reason_of(parse_rules(f"store modality=CT,{many}; otherwise admit").decide(CT))
    assert reason is not None
    assert reason.startswith(NOT_ADMITTED)
    assert (len(reason), reason[-1]) == (200, "…")


def test_what_is_kept_all_the_same() -> None:
    rules = parse_rules("drop modality=SR; admit modality=CT; otherwise drop").keeping_all()
    expected = parse_rules("store modality=SR; admit modality=CT; otherwise store")
    assert rules == expected


def test_rules_in_words() -> None:
    rules = parse_rules(
        'admit modality=CT,MR body_part=HEAD,BRAIN,""; drop image_type=MPR,"" sop_class!=1.2;'
        'store image_type!=ORIGINAL,""; otherwise store'
    )
    assert [*map(in_words, rules.rules), otherwise_in_words(rules)] == [
        "admitted to the search if Modality is CT or MR, and Body Part Examined is HEAD, BRAIN or "
        "absent",
        "acknowledged, but not kept if a value of Image Type is MPR or Image Type is absent, and "
        "SOP Class is not 1.2",
        "stored, but not searched if no value of Image Type is ORIGINAL and Image Type is not "
        "absent",
        "everything else is stored, but not searched",
    ]
