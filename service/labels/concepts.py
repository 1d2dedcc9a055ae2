"""The concepts of the shipped encoder's labels, so that a code alone is enough for those.

A label without a code is left without one: that a hospital's word means this very concept is for
the hospital to say.
"""

from types import MappingProxyType

from service.labels.coding import SNOMED_CT, Concept

# By their fully specified names in SNOMED CT's international edition.
_BY_LABEL = MappingProxyType(
    {
        "glioma": Concept(SNOMED_CT, "393564001", "Glioma"),
        "meningioma": Concept(SNOMED_CT, "302820008", "Intracranial meningioma"),
        "pituitary_tumor": Concept(SNOMED_CT, "254956000", "Pituitary adenoma"),
        "intracerebral_hemorrhage": Concept(SNOMED_CT, "274100004", "Cerebral hemorrhage"),
    }
)


def known_concept(scheme: str, code: str) -> tuple[str, Concept] | None:
    """The label and the concept of a code in this table."""
    for label, concept in _BY_LABEL.items():
        if (concept.scheme, concept.code) == (scheme, code):
            return label, concept
    return None


def known_concepts() -> tuple[Concept, ...]:
    """All of them."""
    return tuple(_BY_LABEL.values())
