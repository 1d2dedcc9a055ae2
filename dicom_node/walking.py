"""Walks the top level of a dataset up to its pixels, bounded in memory and in steps.

For the node and imports, which take bytes from anybody: what is not wanted is stepped over by its
length, sequences of undefined length item by item, without building anything.
"""

import struct
import time

from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

from dicom_node.dataset import (
    ITEM,
    ITEM_END,
    PIXEL_TAGS,
    SEQUENCE_END,
    UNDEFINED_LENGTH,
    DatasetSource,
    PixelElement,
)
from dicom_node.errors import CannotUnderstand, TooManyElements
from dicom_node.found import CHARACTER_SET, Found, RawValue

MAX_ELEMENTS = 1_000_000
_BLOCK, _BLOCK_AFTER_HOP = 1 << 14, 1 << 12
_MAX_VALUE_BYTES = 1 << 12
# A long walk lets the threads that serve everybody else have the interpreter.
_STEPS_AT_A_TIME, _REST_S = 4096, 0.0005
_LONG = {str(vr).encode(): str(vr) for vr in EXPLICIT_VR_LENGTH_32}
_KNOWN = {str(vr).encode(): str(vr) for vr in STANDARD_VR}


# Tag, VR (None where it is implicit), the value's place and length. A bare tuple: a header has
# hundreds of them, and most are stepped over.
_Element = tuple[int, str | None, int, int]


class Walker:
    """One walk over one dataset; `is_explicit` is what its first element looks like."""

    def __init__(self, source: DatasetSource, max_elements: int = MAX_ELEMENTS) -> None:
        declared_implicit, is_little = source.encoding
        order = "<" if is_little else ">"
        self._file = source.file
        self._size = source.size
        self._position = source.start
        self._tags = struct.Struct(f"{order}HHL")
        self._long = struct.Struct(f"{order}L")
        self._short = struct.Struct(f"{order}H")
        self._block, self._block_at = b"", 0
        self._steps, self._max_steps = 0, max_elements
        self._pause_at = min(_STEPS_AT_A_TIME, max_elements + 1)
        beginning = self._take(source.start, 6)[4:6]
        self.is_explicit = beginning in _KNOWN or (
            not declared_implicit and beginning.isalpha() and beginning.isupper()
        )

    def collect(self, tags: frozenset[int]) -> tuple[dict[int, RawValue], PixelElement | None]:
        """The elements in `tags` on the top level, and the pixels, behind which nothing is read.

        Raises:
            CannotUnderstand: the dataset is cut off, malformed, or too long a walk.
        """
        found: dict[int, RawValue] = {}
        while self._position + 8 <= self._size:
            tag, vr, offset, length = self._element()
            if tag in tags:
                found[tag] = RawValue(vr, self._value(offset, length))
            elif tag in PIXEL_TAGS:
                self._check_pixels(offset, length)
                return found, PixelElement(tag, vr, offset, length)
            elif tag == ITEM_END:
                raise CannotUnderstand("the dataset cannot be parsed to its end")
            if length == UNDEFINED_LENGTH:
                self._skip_items(offset)
            else:
                self._position = offset + length
        if self._take(self._position, self._size - self._position).strip(b"\0"):
            raise CannotUnderstand("the dataset is cut off inside an element's header")
        return found, None

    def _value(self, offset: int, length: int) -> bytes:
        """A value; one that is absurdly long or of no length counts as empty."""
        if length > _MAX_VALUE_BYTES:
            return b""
        start = offset - self._block_at
        if 0 <= start <= start + length <= len(self._block):
            return self._block[start : start + length]
        return self._take(offset, length)

    def _element(self) -> _Element:
        """The element at the present position, checked to lie within the dataset."""
        self._steps += 1
        if self._steps >= self._pause_at:
            self._pause()
        at = self._position
        header, place = self._block, at - self._block_at
        if not 0 <= place <= len(header) - 12:
            header, place = self._take(at, 12), 0
        group, number, length = self._tags.unpack_from(header, place)
        tag, vr, offset = group << 16 | number, None, at + 8
        if self.is_explicit and group != 0xFFFE:
            code = header[place + 4 : place + 6]
            if code in _LONG:
                if len(header) < place + 12:
                    raise CannotUnderstand("the dataset is cut off inside an element's header")
                vr, offset = _LONG[code], at + 12
                (length,) = self._long.unpack_from(header, place + 8)
            elif code in _KNOWN or b"AA" <= code <= b"ZZ":
                vr = _KNOWN.get(code) or code.decode("latin-1")
                (length,) = self._short.unpack_from(header, place + 6)
        if length != UNDEFINED_LENGTH and offset + length > self._size:
            what = "pixel data are" if tag in PIXEL_TAGS else f"element {BaseTag(tag)} is"
            raise CannotUnderstand(f"the dataset is cut off: {what} shorter than declared")
        return tag, vr, offset, length

    def _skip_items(self, start: int) -> None:
        """Step over the items of an element of undefined length, however deep they go."""
        self._position = start
        among_items = [True]
        while among_items:
            if self._position + 8 > self._size:
                raise CannotUnderstand("the dataset is cut off inside a sequence")
            tag, _, self._position, length = self._element()
            is_end = tag in (ITEM_END, SEQUENCE_END)
            if among_items[-1] and not is_end and tag != ITEM:
                raise CannotUnderstand("the dataset cannot be parsed (a sequence without items)")
            if is_end:
                among_items.pop()
            elif length == UNDEFINED_LENGTH:
                # Below an item are elements, below an element are items.
                among_items.append(not among_items[-1])
            else:
                self._position += length

    def _check_pixels(self, offset: int, length: int) -> None:
        """Hop from fragment to fragment of encapsulated pixel data, as far as there are items."""
        position = offset
        if length != UNDEFINED_LENGTH:
            return
        while position + 8 <= self._size:
            self._steps += 1
            if self._steps >= self._pause_at:
                self._pause()
            group, number, length = self._tags.unpack(self._take(position, 8))
            if group << 16 | number != ITEM:
                return
            position += 8 + length
            if position > self._size:
                raise CannotUnderstand(
                    "the dataset is cut off: pixel data are shorter than declared"
                )

    def _pause(self) -> None:
        """Rest, unless it has been too long a walk."""
        if self._steps > self._max_steps:
            raise TooManyElements(f"the dataset has more than {self._max_steps} elements")
        time.sleep(_REST_S)
        self._pause_at = min(self._steps + _STEPS_AT_A_TIME, self._max_steps + 1)

    def _take(self, position: int, length: int) -> bytes:
        """Bytes of the dataset, fewer where it ends; read in blocks."""
        length = min(length, self._size - position)
        start = position - self._block_at
        if not 0 <= start <= start + length <= len(self._block):
            hops = position > self._block_at + len(self._block)
            self._file.seek(position)
            block = self._file.read(_BLOCK_AFTER_HOP if hops else _BLOCK)
            self._block, self._block_at = block, position
            start = 0
        return self._block[start : start + length]


def walk(
    source: DatasetSource, tags: frozenset[int], max_elements: int = MAX_ELEMENTS
) -> tuple[Found, PixelElement | None, bool]:
    """The top-level elements in `tags` before the pixels, the pixels, and whether VRs are explicit.

    Raises:
        TooManyElements: it has more than `max_elements`, those within others counted too.
        CannotUnderstand: the dataset cannot be parsed, or is shorter than its elements
            declare.
    """
    walker = Walker(source, max_elements)
    _, is_little = source.encoding
    elements, pixels = walker.collect(tags | {CHARACTER_SET})
    found = Found(elements, is_explicit=walker.is_explicit, is_little=is_little)
    return found, pixels, walker.is_explicit
