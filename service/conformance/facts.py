"""What a conformance statement says, as data; where it comes from is said by the other modules."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """A SOP class or a transfer syntax."""

    uid: str
    name: str


@dataclass(frozen=True)
class Parameter:
    """A value that holds at run time; `setting` is the variable that changes it, None: none."""

    name: str
    value: str
    setting: str | None = None


@dataclass(frozen=True)
class Code:
    """A DIMSE status, or a failure reason: its number as 0xHHHH, and when it is answered."""

    code: str
    meaning: str
    when: str


@dataclass(frozen=True)
class RejectCode:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    result: int
    source: int
    reason: int
    meaning: str
    when: str


@dataclass(frozen=True)
class AbortCode:
    """An A-ABORT (PS3.8 9.3.8)."""

    source: int
    reason: int
    when: str


@dataclass(frozen=True)
class ProposedContext:
    """A presentation context that we propose: any of the SOP classes, with all these syntaxes."""

    sop_classes: tuple[Named, ...]
    transfer_syntaxes: tuple[Named, ...]
    role: str


@dataclass(frozen=True)
class Activity:
    """Why we open an association, with which contexts, and how long an answer is waited for.

    `answer_s` is None where nothing is asked once the association stands.
    """

    service: str
    when: str
    contexts: tuple[ProposedContext, ...]
    answer_s: float | None


@dataclass(frozen=True)
class QueryKeys:
    """The keys of a C-FIND at one level."""

    level: str
    matching: tuple[str, ...]
    returned: tuple[str, ...]


@dataclass(frozen=True)
class RetrieveKeys:
    """The keys of a C-MOVE or C-GET at one level."""

    level: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class RejectionTitle:
    """A title of rejection notes (PS3.16 CID 7011), and what comes of it."""

    code: str
    meaning: str
    effect: str


@dataclass(frozen=True)
class Attribute:
    """An attribute that is read from received objects; `kept`: how the database has it."""

    keyword: str
    tag: str
    name: str
    kept: str


@dataclass(frozen=True)
class Acceptance:
    """What peers may negotiate: every SOP class with every transfer syntax, as SCP."""

    sop_classes: tuple[Named, ...]
    transfer_syntaxes: tuple[Named, ...]
    refused_transfer_syntaxes: tuple[Named, ...]
    limits: tuple[Parameter, ...]
    timers: tuple[Parameter, ...]


@dataclass(frozen=True)
class Statuses:
    """Every code that a peer can be told."""

    general: tuple[Code, ...]
    store: tuple[Code, ...]
    action: tuple[Code, ...]
    failure_reasons: tuple[Code, ...]
    rejects: tuple[RejectCode, ...]
    aborts: tuple[AbortCode, ...]


@dataclass(frozen=True)
class Commitment:
    """Storage commitment: bounds of a request, and how often its result is told."""

    limits: tuple[Parameter, ...]
    attempts: int
    first_pause_s: float
    longest_pause_s: float


@dataclass(frozen=True)
class Security:
    """How peers are told apart, and what protects an association."""

    secure_transport: tuple[Parameter, ...]
    tls_profiles: tuple[str, ...]
    ports: tuple[Parameter, ...]


@dataclass(frozen=True)
class Product:
    """Who speaks."""

    name: str
    version: str
    ae_title: str
    application_context: str
    implementation_class_uid: str
    implementation_version_name: str
    maximum_pdu: int


@dataclass(frozen=True)
class Statement:
    """The whole statement; `admission` is empty where no rules are set."""

    product: Product
    acceptance: Acceptance
    activities: tuple[Activity, ...]
    requestor_limits: tuple[Parameter, ...]
    queries: tuple[QueryKeys, ...]
    retrievals: tuple[RetrieveKeys, ...]
    statuses: Statuses
    commitment: Commitment
    rejection_titles: tuple[RejectionTitle, ...]
    attributes: tuple[Attribute, ...]
    image_attributes: tuple[Attribute, ...]
    character_sets: tuple[str, ...]
    admission: tuple[str, ...]
    security: Security
    configuration: tuple[Parameter, ...]
