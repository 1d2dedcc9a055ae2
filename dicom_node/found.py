"""What a walk over a dataset found: values as they stand, and what they mean.

What they mean is pydicom's business, but for plain texts and numbers (`dicom_node.values`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicom_node.errors import CannotUnderstand

CHARACTER_SET = 0x00080005
"""The tag of Specific Character Set, without which texts cannot be decoded."""


class RawValue(NamedTuple):
    """A value as it stands; its VR is None where it is implicit."""

    vr: str | None
    value: bytes


class Found:
    """Elements as they stand; pydicom is asked only about those that are no plain text or number.

    For the functions of `dicom_node.values`, which take it like a Dataset. Equal where all bytes
    are, so that what they mean can be remembered.
    """

    def __init__(
        self, elements: Mapping[int, RawValue], *, is_explicit: bool, is_little: bool
    ) -> None:
        self._elements = elements
        self._is_explicit, self._is_little = is_explicit, is_little
        self._identity = (is_explicit, is_little, tuple(elements.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Found) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def split(self, tags: frozenset[int]) -> tuple["Found", "Found"]:
        """Those in `tags`, and the others."""
        inside, outside = dict[int, RawValue](), dict[int, RawValue]()
        for tag, element in self._elements.items():
            (inside if tag in tags else outside)[tag] = element
        encoding = {"is_explicit": self._is_explicit, "is_little": self._is_little}
        return Found(inside, **encoding), Found(outside, **encoding)

    def require_character_set(self) -> None:
        """Make sure that texts can be decoded.

        Raises:
            CannotUnderstand: Specific Character Set (0008,0005) is none.
        """
        self._character_sets()

    def get_item(self, tag: BaseTag) -> RawDataElement | None:
        """The element as it stands."""
        raw = self._elements.get(tag)
        return None if raw is None else self._raw_element(tag, raw)

    def __getitem__(self, keyword: str) -> DataElement:
        """The element as pydicom understands it; raises what pydicom does."""
        dataset = Dataset(
            {BaseTag(tag): self._raw_element(tag, raw) for tag, raw in self._elements.items()}
        )
        implicit = not self._is_explicit
        dataset.set_original_encoding(implicit, self._is_little, self._character_sets())
        return dataset[keyword]

    def _raw_element(self, tag: int, raw: RawValue) -> RawDataElement:
        length, implicit = len(raw.value), raw.vr is None
        return RawDataElement(BaseTag(tag), raw.vr, length, raw.value, 0, implicit, self._is_little)

    def _character_sets(self) -> str | list[str]:
        named = self._elements.get(CHARACTER_SET)
        if named is None:
            return default_encoding
        try:
            element = convert_raw_data_element(self._raw_element(CHARACTER_SET, named))
            return list(convert_encodings(element.value))
        except Exception as error:
            kind = type(error).__name__
            raise CannotUnderstand(f"the dataset cannot be parsed ({kind})") from None
