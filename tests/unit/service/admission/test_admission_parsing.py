from pathlib import Path

import pytest
from pydicom.uid import UID

from dicom_node.contexts import STORAGE_SOP_CLASSES
from service.admission.loading import load_rules, read_rules
from service.admission.parsing import MalformedRules, parse_rules
from service.admission.rules import AdmissionRules, Condition, Rule
from service.admission.wording import text_of
from service.errors import ConfigurationError
from service.settings import GallerySettings, Settings

HEADS = Rule("admit", (Condition("modality", ("CT", "MR")), Condition("body_part", ("HEAD", ""))))


@pytest.mark.parametrize(
    "text",
    [
        'admit modality=CT,MR body_part=HEAD,""; otherwise store',
        ' ADMIT Modality = CT , MR\tBody_Part="HEAD", "" ;; Otherwise STORE ; ',
        '# heads\nadmit modality=CT,MR body_part=HEAD,""  # or none\r\n\notherwise store\n',
    ],
)
def test_one_line_or_many(text: str) -> None:
    assert parse_rules(text) == AdmissionRules((HEADS,), "store")


@pytest.mark.parametrize("text", ["", " \n;;\n", "# nothing yet", "otherwise admit"])
def test_no_rules_admit_everything(text: str) -> None:
    assert parse_rules(text) == AdmissionRules()


def test_signs_inside_values() -> None:
    text = 'drop calling_ae_title="CT;1, #2",CT#3,A!B modality!=*R; otherwise admit'
    (rule,) = parse_rules(text).rules
    assert rule.conditions[0].patterns == ("CT;1, #2", "CT#3", "A!B")
    assert rule.conditions[1] == Condition("modality", ("*R",), negated=True)
    assert text_of(parse_rules(text)) == text


@pytest.mark.parametrize(
    ("text", "place", "complaint"),
    [
        ("admt modality=CT", 1, "allowed: admit, store, drop or otherwise. Did you mean admit?"),
        ("=CT", 1, "here comes what is done: admit, store, drop or otherwise"),
        ("admit", 6, "`admit` needs a condition"),
        ("admit modalty=CT", 7, "allowed: modality, body_part, image_type, sop_class, calling_ae"),
        ("admit modalty=CT", 7, "Did you mean modality?"),
        ("admit modality=CT", 18, "all other objects: `otherwise admit`, `otherwise store`"),
        ("admit modality=CT MR; otherwise store", 19, "after `MR` comes no ="),
        ("admit modality=CT, body_part=HEAD", 20, "no comma comes before `body_part=`"),
        ("admit modality=; otherwise store", 16, "here comes a value"),
        ("admit body_part=HEAD,; otherwise store", 22, '"" means that the object has none'),
        ("admit body_part=HEAD,", 22, "here comes a value"),
        ('admit body_part="HEAD', 17, "not closed"),
        ('admit modality=""; otherwise store', 16, "counts as OT"),
        ('drop calling_ae_title=""; otherwise store', 23, "never absent"),
        ('drop sop_class=""; otherwise store', 16, "never absent"),
        ("drop sop_class=MRImage; otherwise store", 16, "Did you mean MRImageStorage?"),
        ("drop sop_class=*Sekondary*; otherwise store", 16, "a UID or a keyword"),
        (f"drop sop_class={'1' * 65}; otherwise store", 16, "a UID or a keyword"),
        ("drop image_type=ORIGINAL\\PRIMARY; otherwise store", 17, "value by value"),
        ("drop modality=A\x00B; otherwise store", 15, "printable"),
        (f"drop modality={'A' * 65}; otherwise store", 15, "at most 64 characters"),
        ("otherwise", 10, "what is done: admit, store, drop"),
        ("otherwise keep", 11, "`keep` is not known; allowed: admit, store, drop"),
        ("otherwise store modality=CT", 17, "after `otherwise store` comes nothing more"),
        ("otherwise store; drop modality=SR", 18, "must be the last rule"),
        ("otherwise store; otherwise admit", 18, "must be the last rule"),
    ],
)
def test_a_malformed_rule_is_shown_its_place(text: str, place: int, complaint: str) -> None:
    with pytest.raises(MalformedRules) as raised:
        parse_rules(text)
    assert str(raised.value).startswith(f"PRECUNEUS_GALLERY__ADMIT, character {place}: ")
    assert complaint in str(raised.value)


def test_of_several_lines_the_line_is_named() -> None:
    with pytest.raises(MalformedRules, match=r"^rules\.txt, line 3, character 8: "):
        parse_rules("# two\ndrop modality=SR\n  drop modlity=PR\notherwise admit", "rules.txt")


def test_every_storage_sop_class_can_be_named() -> None:
    keywords = sorted({UID(uid).keyword for uid in STORAGE_SOP_CLASSES} - {""}, key=len)
    assert len(keywords[-1]) > 64
    parse_rules(f"drop sop_class={','.join(keywords)}; otherwise admit")


def settings_with(admit: str) -> Settings:
    return Settings(_env_file=None, gallery=GallerySettings(admit=admit))  # type: ignore[call-arg]


def test_rules_from_the_setting_or_the_file_it_names(tmp_path: Path) -> None:
    file = tmp_path / "the rules.txt"
    file.write_text('\ufeffadmit modality=CT,MR body_part=HEAD,""\notherwise store\n')
    expected = AdmissionRules((HEADS,), "store")
    assert load_rules(settings_with(f"@{file}")) == expected
    assert load_rules(settings_with(text_of(expected))) == expected
    assert load_rules(settings_with("")) == AdmissionRules()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing, binary = tmp_path / "missing", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigurationError, match=r"__ADMIT names the file .*missing.*No such file"):
        load_rules(settings_with(f"@{missing}"))
    with pytest.raises(ConfigurationError, match=r"binary, which cannot be read: it is not UTF-8"):
        load_rules(settings_with(f" @{binary}"))
    broken = tmp_path / "broken"
    broken.write_text("admit\n")
    with pytest.raises(MalformedRules, match=r"broken, line 1, character 6"):
        read_rules(f"@{broken}", "--rules")
