"""The rules of admission as data, and what they decide about an object.

Pure: their text is `service.admission.parsing`'s, their wording `service.admission.wording`'s.
"""

import fnmatch
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, get_args

from pydicom import config
from pydicom.uid import UID

from dicom_node.header import Header

Action = Literal["admit", "store", "drop"]
"""`admit`: kept and embedded. `store`: kept, not embedded. `drop`: acknowledged, not kept."""

Subject = Literal["modality", "body_part", "image_type", "sop_class", "calling_ae_title"]
"""What a rule may look at."""

ACTIONS: tuple[Action, ...] = get_args(Action)
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
MAY_BE_ABSENT: frozenset[Subject] = frozenset({"body_part", "image_type"})
ABSENT = ""
"""The pattern that only an absent or empty value matches."""

NO_MODALITY = "OT"
"""What the gallery takes an object without a Modality for."""


@dataclass(frozen=True)
class ObjectFacts:
    """What rules are asked about: of a header that has just come, or of rows of the gallery.

    `modality` is (0008,0060), or OT where the object has none. `calling_ae_title` is "import" for
    files that were imported.
    """

    modality: str
    body_part: str | None
    image_type: tuple[str, ...]
    sop_class_uid: str
    calling_ae_title: str

    @classmethod
    def of(cls, header: Header, source: str) -> "ObjectFacts":
        """The facts of an object that comes from that calling AE title, or by "import"."""
        return cls(
            modality=header.modality or NO_MODALITY,
            body_part=header.body_part_examined,
            image_type=header.image_type,
            sop_class_uid=header.sop_class_uid,
            calling_ae_title=source,
        )

    def values(self, subject: Subject) -> tuple[str, ...]:
        """All values that a condition on `subject` looks at; empty where it is absent."""
        every: dict[Subject, tuple[str | None, ...]] = {
            "modality": (self.modality,),
            "body_part": (self.body_part,),
            "image_type": self.image_type,
            "sop_class": (self.sop_class_uid, _keyword(self.sop_class_uid)),
            "calling_ae_title": (self.calling_ae_title,),
        }
        return tuple(value for value in every[subject] if value)


@dataclass(frozen=True)
class Condition:
    """Holds if one of the object's values matches one of the patterns; negated, if none does.

    In a pattern `*` stands for any characters, `?` for one; capitals do not count; `ABSENT` matches
    an object that has no value.
    """

    subject: Subject
    patterns: tuple[str, ...]
    negated: bool = False

    def holds(self, facts: ObjectFacts) -> bool:
        """Whether the object fulfils the condition."""
        return self._matches(facts.values(self.subject)) is not self.negated

    def _matches(self, values: tuple[str, ...]) -> bool:
        if not values:
            return ABSENT in self.patterns
        patterns = [compiled(pattern) for pattern in self.patterns if pattern]
        return any(pattern.fullmatch(value) for pattern in patterns for value in values)


@dataclass(frozen=True)
class Rule:
    """What is done with objects that fulfil every condition."""

    action: Action
    conditions: tuple[Condition, ...]

    def applies(self, facts: ObjectFacts) -> bool:
        """Whether this rule is about the object."""
        return all(condition.holds(facts) for condition in self.conditions)


@dataclass(frozen=True)
class Decision:
    """What is done with an object, and the rule that says so; None: no rule is about it.

    `number` counts from 1, and is one more than there are rules where none applies.
    """

    action: Action
    number: int
    rule: Rule | None


@dataclass(frozen=True)
class AdmissionRules:
    """Rules in their order, of which the first that applies decides; without rules all is admitted.

    `otherwise` is for what no rule is about.
    """

    rules: tuple[Rule, ...] = ()
    otherwise: Action = "admit"

    def decide(self, facts: ObjectFacts) -> Decision:
        """What is done with an object of these facts."""
        for number, rule in enumerate(self.rules, start=1):
            if rule.applies(facts):
                return Decision(rule.action, number, rule)
        return Decision(self.otherwise, len(self.rules) + 1, None)

    def keeping_all(self) -> "AdmissionRules":
        """The same rules, but that what they drop is stored."""
        kept: dict[Action, Action] = {"admit": "admit", "store": "store", "drop": "store"}
        rules = tuple(Rule(kept[rule.action], rule.conditions) for rule in self.rules)
        return AdmissionRules(rules, kept[self.otherwise])


@lru_cache(maxsize=256)
def _keyword(uid: str) -> str:
    """The keyword of a UID (PS3.6 Annex A), empty where it has none; peers may invent theirs."""
    return UID(uid, config.IGNORE).keyword


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern; of `fnmatch`'s signs only * and ? mean anything."""
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")), re.IGNORECASE)
