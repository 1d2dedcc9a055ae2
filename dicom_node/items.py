"""Reads a small dataset's elements and items out of memory, in a bounded number of steps.

For documents whose sequences anybody may have filled: no element is made an object of pydicom's,
and each header that is passed counts. Values are text of the default character set, UIDs and codes.
"""

import struct
from typing import NamedTuple

from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from dicom_node.dataset import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED_LENGTH
from dicom_node.errors import CannotUnderstand, TooManyElements

_LONG = frozenset(str(vr).encode() for vr in EXPLICIT_VR_LENGTH_32)


class Element(NamedTuple):
    """Where a value lies; `has_end` where its length is said, `is_implicit` of what is in it."""

    tag: int
    start: int
    end: int
    has_end: bool
    is_implicit: bool


class ItemReader:
    """Reads one encoded dataset; all that is read of it counts against `max_steps`.

    Everything raises CannotUnderstand where the dataset cannot be parsed, and TooManyElements where
    that took more steps.
    """

    def __init__(self, encoded: bytes, *, is_little: bool, max_steps: int) -> None:
        order = "<" if is_little else ">"
        self._encoded = encoded
        self._tag = struct.Struct(f"{order}HH")
        self._long, self._short = struct.Struct(f"{order}L"), struct.Struct(f"{order}H")
        self._steps_left, self._max_steps = max_steps, max_steps

    def top(self) -> dict[int, Element]:
        """The elements of the dataset itself, by tag."""
        beginning = self._encoded[4:6]
        is_implicit = not (beginning.isalpha() and beginning.isupper())
        return self._elements(0, len(self._encoded), is_implicit)[0]

    def items(self, sequence: Element | None) -> list[dict[int, Element]]:
        """The elements of each item of a sequence, by tag; no items where it is absent."""
        found: list[dict[int, Element]] = []
        if sequence is None:
            return found
        at = sequence.start
        while at < sequence.end:
            item = self._header(at, sequence.is_implicit)
            if item.tag == SEQUENCE_END:
                break
            if item.tag != ITEM:
                raise CannotUnderstand("the dataset cannot be parsed (a sequence without items)")
            end = item.end if item.has_end else sequence.end
            elements, at = self._elements(item.start, end, item.is_implicit)
            found.append(elements)
        return found

    def text(self, element: Element | None, limit: int = 64) -> str:
        """A value of up to `limit` bytes as text without padding; empty where it is none."""
        if element is None or element.end - element.start > limit:
            return ""
        return self._encoded[element.start : element.end].decode("latin-1").strip(" \0")

    def _elements(self, at: int, end: int, is_implicit: bool) -> tuple[dict[int, Element], int]:
        """Elements up to `end` or the item's delimiter, and where the reading goes on."""
        found: dict[int, Element] = {}
        while at + 8 <= end:
            element = self._header(at, is_implicit)
            if element.tag == ITEM_END:
                return found, element.start
            if not element.has_end:
                element = element._replace(end=self._end_of(element))
            found[element.tag] = element
            at = element.end
        return found, end

    def _end_of(self, element: Element) -> int:
        """Where an element of undefined length ends, its delimiter included."""
        at, among_items = element.start, [True]
        while among_items:
            inner = self._header(at, element.is_implicit)
            at = inner.end
            if inner.tag in (ITEM_END, SEQUENCE_END):
                among_items.pop()
                at = inner.start
            elif among_items[-1] and inner.tag != ITEM:
                raise CannotUnderstand("the dataset cannot be parsed (a sequence without items)")
            elif not inner.has_end:
                among_items.append(not among_items[-1])
        return at

    def _header(self, at: int, is_implicit: bool) -> Element:
        """The element or item at a place; of undefined length, it ends where it starts."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise TooManyElements(f"the dataset has more than {self._max_steps} elements")
        try:
            group, number = self._tag.unpack_from(self._encoded, at)
            vr = b"" if is_implicit or group == 0xFFFE else self._encoded[at + 4 : at + 6]
            if not vr:
                start, (length,) = at + 8, self._long.unpack_from(self._encoded, at + 4)
            elif vr in _LONG:
                start, (length,) = at + 12, self._long.unpack_from(self._encoded, at + 8)
            else:
                start, (length,) = at + 8, self._short.unpack_from(self._encoded, at + 6)
        except struct.error:
            raise CannotUnderstand("the dataset is cut off inside an element's header") from None
        has_end = length != UNDEFINED_LENGTH
        end = start + length if has_end else start
        if end > len(self._encoded):
            raise CannotUnderstand("the dataset is cut off: an element is shorter than declared")
        # What has no VR of its own is implicit throughout (PS3.5 6.2.2).
        return Element(group << 16 | number, start, end, has_end, is_implicit or vr == b"UN")
