"""Reads rules of admission from their text, as docs/operations.md describes it.

Every text either means rules or raises an error that names the place and what may stand there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import cast

from pydicom.uid import UID

from dicom_node.contexts import STORAGE_SOP_CLASSES
from service.admission.rules import (
    ABSENT,
    ACTIONS,
    MAY_BE_ABSENT,
    SUBJECTS,
    Action,
    AdmissionRules,
    Condition,
    Rule,
    Subject,
    compiled,
)
from service.errors import ConfigurationError

VARIABLE = "PRECUNEUS_GALLERY__ADMIT"
OTHERWISE = "otherwise"
BARE = r'(?!#)(?:[^\s;=,"!]|!(?!=))+'
"""A value that needs no quotation marks."""

_MAX_LENGTH = 64
_TOKEN = re.compile(
    r"(?P<blank>[^\S\n]+|#[^\n]*)|(?P<end>[;\n])|(?P<equals>!?=)|(?P<comma>,)"
    rf'|(?P<quoted>"[^"\n]*")|(?P<word>{BARE})'
)
_LIKE_A_UID = re.compile(r"[0-9.*?]+")
_ENDINGS = ", ".join(f"`{OTHERWISE} {action}`" for action in ACTIONS)


class MalformedRules(ConfigurationError):
    """A text that is no rules; the message says where, and what is allowed."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    offset: int


@dataclass(frozen=True)
class _Source:
    """A text and where it comes from."""

    text: str
    name: str

    def fault(self, offset: int, message: str) -> MalformedRules:
        """What is wrong at a place of the text, which is counted from 1."""
        lines = self.text[:offset].split("\n")
        line = f"line {len(lines)}, " if "\n" in self.text else ""
        return MalformedRules(f"{self.name}, {line}character {len(lines[-1]) + 1}: {message}")


def parse_rules(text: str, source: str = VARIABLE) -> AdmissionRules:
    """The rules that `text` holds, one a line or separated by semicolons; without any, all is fine.

    `source` is the variable or file to be named in errors.

    Raises:
        MalformedRules: it holds something else.
    """
    whole = _Source(text, source)
    rules: list[Rule] = []
    otherwise: Action | None = None
    for tokens in _statements(whole):
        reader = _Reader(whole, tokens)
        if otherwise is not None:
            raise reader.fault(f"`{OTHERWISE}` must be the last rule")
        if reader.is_otherwise():
            otherwise = reader.otherwise()
        else:
            rules.append(reader.rule())
    if rules and otherwise is None:
        raise whole.fault(len(text), f"say what is done with all other objects: {_ENDINGS}")
    return AdmissionRules(tuple(rules), otherwise or "admit")


def _statements(source: _Source) -> Iterator[list[_Token]]:
    """The tokens of each rule, without those that are empty."""
    tokens: list[_Token] = []
    for token in _tokens(source):
        if token.kind != "end":
            tokens.append(token)
        elif tokens:
            yield tokens
            tokens = []
    if tokens:
        yield tokens


def _tokens(source: _Source) -> Iterator[_Token]:
    offset = 0
    while offset < len(source.text):
        found = _TOKEN.match(source.text, offset)
        if found is None:
            raise source.fault(offset, "this quotation mark is not closed")
        kind = found.lastgroup or ""
        if kind != "blank":
            yield _Token(kind, found.group(), offset)
        offset = found.end()


class _Reader:
    """Reads the tokens of one rule from left to right."""

    def __init__(self, source: _Source, tokens: Sequence[_Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._next = 0

    def fault(self, message: str, token: _Token | None = None) -> MalformedRules:
        """What is wrong with a token, or with the one whose turn it is."""
        if token is None and self._next == len(self._tokens):
            last = self._tokens[-1]
            return self._source.fault(last.offset + len(last.text), message)
        return self._source.fault((token or self._tokens[self._next]).offset, message)

    def is_otherwise(self) -> bool:
        """Whether this is the rule for what no other rule is about."""
        return self._tokens[0].text.lower() == OTHERWISE

    def otherwise(self) -> Action:
        """The action of that rule."""
        self._next = 1
        action = self._action()
        if self._peek():
            raise self.fault(f"after `{OTHERWISE} {action}` comes nothing more")
        return action

    def rule(self) -> Rule:
        """An action and its conditions."""
        action = self._action()
        conditions = []
        while self._peek():
            conditions.append(self._condition())
        if not conditions:
            raise self.fault(
                f"`{action}` needs a condition, such as {action} modality=MR; "
                f"`{OTHERWISE} {action}` is for all other objects"
            )
        return Rule(action, tuple(conditions))

    def _peek(self, *kinds: str) -> bool:
        """Whether there is another token, of one of these kinds if any are named."""
        if self._next == len(self._tokens):
            return False
        return not kinds or self._tokens[self._next].kind in kinds

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _action(self) -> Action:
        allowed = f"{', '.join(ACTIONS)} or {OTHERWISE}" if self._next == 0 else ", ".join(ACTIONS)
        if not self._peek("word"):
            raise self.fault(f"here comes what is done: {allowed}")
        token = self._take()
        if token.text.lower() not in ACTIONS:
            raise self.fault(_unknown(token.text, allowed, ACTIONS), token)
        return cast(Action, token.text.lower())

    def _condition(self) -> Condition:
        if not self._peek("word"):
            raise self.fault(f"here comes what the rule looks at: {', '.join(SUBJECTS)}")
        token = self._take()
        name = token.text.lower()
        if not self._peek("equals"):
            raise self.fault(
                f"after `{token.text}` comes no =; values of a list are separated by commas", token
            )
        if name not in SUBJECTS:
            raise self.fault(_unknown(token.text, ", ".join(SUBJECTS), SUBJECTS), token)
        subject = name
        negated = self._take().text == "!="
        patterns = [self._pattern(subject)]
        while self._peek("comma"):
            self._take()
            patterns.append(self._pattern(subject))
        return Condition(subject, tuple(patterns), negated)

    def _pattern(self, subject: Subject) -> str:
        if not self._peek("word", "quoted"):
            raise self.fault('here comes a value; "" means that the object has none')
        token = self._take()
        if self._peek("equals"):
            raise self.fault(f"no comma comes before `{token.text}=`, only a blank", token)
        pattern = token.text.strip('"').strip()
        complaint = _complaint(subject, pattern)
        if complaint:
            raise self.fault(complaint, token)
        return pattern


def _complaint(subject: Subject, pattern: str) -> str | None:
    """Why a pattern could never match as it is meant; None where it can."""
    if pattern == ABSENT:
        if subject in MAY_BE_ABSENT:
            return None
        hint = " (an object without a Modality counts as OT)" if subject == "modality" else ""
        return f'{subject} is never absent{hint}; "" is for {" and ".join(sorted(MAY_BE_ABSENT))}'
    is_too_long = len(pattern) > _MAX_LENGTH and subject != "sop_class"
    if is_too_long or not pattern.isprintable():
        return f"a value has at most {_MAX_LENGTH} characters, all of them printable"
    if subject == "image_type" and "\\" in pattern:
        return (
            "Image Type is looked at value by value: image_type=DERIVED image_type=MPR wants both"
        )
    if subject == "sop_class" and not _names_a_class(pattern):
        allowed = "a UID or a keyword, such as MRImageStorage or *SecondaryCapture*"
        return _unknown(pattern, allowed, sorted(_keywords()))
    return None


def _names_a_class(pattern: str) -> bool:
    if _LIKE_A_UID.fullmatch(pattern):
        return len(pattern) <= _MAX_LENGTH
    return any(compiled(pattern).fullmatch(keyword) for keyword in _keywords())


@cache
def _keywords() -> frozenset[str]:
    """The keywords of all storage SOP classes (PS3.6 Annex A)."""
    return frozenset(UID(uid).keyword for uid in STORAGE_SOP_CLASSES) - {""}


def _unknown(found: str, allowed: str, known: Sequence[str]) -> str:
    by_capitals = {name.lower(): name for name in known}
    near = get_close_matches(found.lower(), by_capitals, 1)
    hint = f" Did you mean {by_capitals[near[0]]}?" if near else ""
    return f"`{found}` is not known; allowed: {allowed}.{hint}"
