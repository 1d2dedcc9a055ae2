from hypothesis import given, settings
from hypothesis import strategies as st

from service.patients import PatientKeyer

# What a header can hold: texts that UTF-8 carries. Few letters, so that equal ones turn up.
TEXTS = st.text("aA1\\^ ", max_size=3) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=9
)
UIDS = st.sampled_from(["1.2", "1.3", "1.2.3"])
PATIENTS = st.tuples(TEXTS, TEXTS, UIDS)
KEYER = PatientKeyer(b"a secret of the tests")


def identity(patient: tuple[str, str, str]) -> tuple[str, ...]:
    patient_id, issuer, study_instance_uid = patient
    return ("patient", patient_id, issuer) if patient_id else ("study", study_instance_uid)


@settings(deadline=None)
@given(PATIENTS, PATIENTS)
def test_keys_are_equal_just_where_the_identifiers_are(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (KEYER.key(*one) == KEYER.key(*other)) == (identity(one) == identity(other))


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=40), st.binary(min_size=16, max_size=40), PATIENTS)
def test_keys_of_two_secrets_never_meet(
    one: bytes, other: bytes, patient: tuple[str, str, str]
) -> None:
    # HMAC fills a short secret up with zeros, so that these do not tell two apart (RFC 2104).
    equal = PatientKeyer(one).key(*patient) == PatientKeyer(other).key(*patient)
    assert equal == (one.ljust(64, b"\0") == other.ljust(64, b"\0"))


@settings(deadline=None)
@given(PATIENTS)
def test_a_key_is_never_the_fingerprint_that_the_database_keeps(
    patient: tuple[str, str, str],
) -> None:
    assert KEYER.key(*patient).hex != KEYER.fingerprint()


@settings(deadline=None)
@given(st.text("abc", min_size=2, max_size=6), st.data())
def test_where_issuer_ends_and_patient_id_begins_counts(text: str, data: st.DataObject) -> None:
    cuts = st.integers(0, len(text) - 1)
    one, other = data.draw(cuts), data.draw(cuts)
    keys = [KEYER.key(text[cut:], text[:cut], "1.2") for cut in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)
