from collections.abc import Sequence

import pytest
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
)
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_acceptor

from dicom_node.contexts import REFUSED_TRANSFER_SYNTAXES, VERIFICATION, accepted_contexts


def propose(*contexts: tuple[str, Sequence[str]]) -> list[PresentationContext]:
    proposed = []
    for number, (abstract_syntax, syntaxes) in enumerate(contexts):
        context = build_context(abstract_syntax, list(syntaxes))
        context.context_id = 2 * number + 1
        proposed.append(context)
    return proposed


def negotiated(*contexts: tuple[str, Sequence[str]]) -> list[tuple[int, str]]:
    """(result, transfer syntax) of each proposed context, as pynetdicom would answer."""
    proposed = propose(*contexts)
    answers, _ = negotiate_as_acceptor(proposed, accepted_contexts(proposed))
    return [(int(answer.result or 0), str(answer.transfer_syntax[0])) for answer in answers]


def test_the_peers_first_syntax_wins() -> None:
    offered = [JPEG2000Lossless, ImplicitVRLittleEndian, ExplicitVRLittleEndian]
    assert negotiated((CTImageStorage, offered)) == [(0, JPEG2000Lossless)]
    offered.reverse()
    assert negotiated((CTImageStorage, offered)) == [(0, ExplicitVRLittleEndian)]


def test_two_contexts_of_one_class_keep_their_own_syntaxes() -> None:
    answers = negotiated(
        (MRImageStorage, [RLELossless]),
        (MRImageStorage, [ImplicitVRLittleEndian]),
        (MRImageStorage, [JPEG2000Lossless, ImplicitVRLittleEndian]),
    )
    assert answers[:2] == [(0, RLELossless), (0, ImplicitVRLittleEndian)]
    assert answers[2][0] == 0


def test_a_refused_syntax_gives_way_to_the_next() -> None:
    refused = sorted(REFUSED_TRANSFER_SYNTAXES)
    assert negotiated((CTImageStorage, [*refused, RLELossless])) == [(0, RLELossless)]
    assert negotiated((CTImageStorage, refused))[0][0] == 3


def test_what_is_no_storage_class_is_refused() -> None:
    query = "1.2.840.10008.5.1.4.1.2.1.1"
    answers = negotiated((query, [ImplicitVRLittleEndian]), (VERIFICATION, [RLELossless]))
    assert [result for result, _ in answers] == [3, 0]


@pytest.mark.parametrize("syntax", sorted(set(ALL_TRANSFER_SYNTAXES) - REFUSED_TRANSFER_SYNTAXES))
def test_every_storage_class_is_taken_in_every_other_syntax(syntax: str) -> None:
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts][:128]
    answers = negotiated(*((uid, [syntax]) for uid in classes))
    assert set(answers) == {(0, syntax)}


def test_nothing_proposed_is_nothing_offered() -> None:
    assert accepted_contexts([]) == []
