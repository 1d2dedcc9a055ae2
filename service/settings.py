"""Every setting of the service, in one class, read from `PRECUNEUS_…` variables and `.env`.

Nesting is written with two underscores: `PRECUNEUS_DATABASE__URL`, `PRECUNEUS_HTTP__PORT`. Nothing
here opens a file or a connection.
"""

import ipaddress
import os
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.dicom_settings import DicomSettings


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` is reachable from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class DatabaseSettings(BaseModel):
    """Where the gallery's PostgreSQL is."""

    url: SecretStr | None = Field(
        default=None,
        description="postgresql://… of a server with pgvector; unset: the embedded one",
    )
    password_file: Path | None = Field(
        default=None, description="file with the password that goes into the URL (a secret)"
    )
    pool_size: int = Field(default=10, ge=1)
    replica_urls: tuple[SecretStr, ...] = Field(
        default=(), description="of standbys that answer searches too, as a JSON list of URLs"
    )
    maximum_staleness_s: float = Field(
        default=10.0, gt=0, description="how far behind a standby may be and still answer"
    )


class HttpSettings(BaseModel):
    """The REST API."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    demand_key: bool | None = Field(
        default=None,
        description="whether requests need an API key; unset: off loopback, or with api_key_file",
    )
    api_key_file: Path | None = Field(
        default=None, description="file with an API key that is accepted (a container secret)"
    )
    maximum_upload_mb: int = Field(
        default=64, ge=1, le=1024, description="of an image to search by; larger ones are refused"
    )
    upload_timeout_s: float = Field(
        default=60.0, gt=0, description="for an upload to arrive as a whole"
    )

    @property
    def demands_key(self) -> bool:
        """Whether requests need an API key; off loopback they always do."""
        if not is_loopback(self.host):
            return True
        return self.api_key_file is not None if self.demand_key is None else self.demand_key


class WorkerSettings(BaseModel):
    """The worker that decodes and embeds."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda)$")
    batch_size: int = Field(default=128, ge=1, le=1024, description="instances claimed at a time")
    decode_processes: int = Field(
        default_factory=lambda: max(1, min(8, (os.cpu_count() or 2) // 2)), ge=1
    )
    decode_timeout_s: float = Field(default=120.0, gt=0, description="per object, or 64 frames")
    decode_memory_mb: int = Field(default=4096, ge=512, description="per decoding process")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of the encoder's convolutions"
    )
    lease_s: float = Field(default=30.0, ge=3)
    poll_s: float = Field(default=0.25, gt=0)


class EncoderSettings(BaseModel):
    """Which weights embed a new gallery; an existing gallery keeps the encoder it has."""

    checkpoint: Literal["default", "dev"] | Path = Field(
        default="default", description="one of the two that ship with the program, or a file"
    )


class LabelSettings(BaseModel):
    """How large a table of labels may be; beyond, nothing of it is imported."""

    maximum_lines: int = Field(
        default=1_000_000, ge=1, le=100_000_000, description="of one table, without its header"
    )
    maximum_mb: int = Field(default=512, ge=1, le=10_240, description="of one table")
    timeout_s: float = Field(
        default=3600.0,
        gt=0,
        le=1_000_000,
        description="for one step of an import; slices that are embedded take their time",
    )


class ReindexSettings(BaseModel):
    """How a gallery is embedded anew by another encoder while it is searched."""

    share: float = Field(
        default=0.5, gt=0, le=1, description="of its idle time that a worker gives to a reindex"
    )
    batch_size: int = Field(
        default=64, ge=1, le=1024, description="instances claimed at a time; live ones wait so long"
    )
    index_processes: int = Field(
        default=0, ge=0, description="PostgreSQL's helpers in an index build, beside one process"
    )
    index_memory_mb: int | None = Field(
        default=None,
        ge=1,
        description="for an index build; unset: what it needs, or another server's own setting",
    )
    minimum_recall: float = Field(
        default=0.99, ge=0, le=1, description="of the gate: index against exact, at 10"
    )
    map_tolerance: float = Field(
        default=0.01, ge=0, le=1, description="of the gate: mAP may be so much below the active's"
    )


class GallerySettings(BaseModel):
    """What is kept in the gallery."""

    keep_deleted_days: float = Field(
        default=0, ge=0, description="how long files of deleted instances stay on disk"
    )
    admit: str = Field(
        default="", description="rules of what is searched, stored, dropped; @FILE reads them"
    )
    recall_canary_s: float = Field(
        default=300,
        ge=0,
        description="how often a few searches are checked against exact ones; 0: never",
    )


class EvidenceSettings(BaseModel):
    """What similar slices say."""

    false_alarms: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="part of fitting slices that may be told that nothing similar is here",
    )


class Settings(BaseSettings):
    """All settings; arguments of a command override the environment, that overrides `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="PRECUNEUS_",
        env_nested_delimiter="__",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
    )

    state_dir: Path = Field(default_factory=lambda: user_data_path("precuneus"))
    patient_key_file: Path | None = Field(
        default=None, description="secret of the patient keys; unset: made in the state folder"
    )
    database: DatabaseSettings = DatabaseSettings()
    dicom: DicomSettings = DicomSettings()
    http: HttpSettings = HttpSettings()
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    encoder: EncoderSettings = EncoderSettings()
    gallery: GallerySettings = GallerySettings()
    labels: LabelSettings = LabelSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    reindex: ReindexSettings = ReindexSettings()

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def has_embedded_database(self) -> bool:
        """Whether the gallery lies in the embedded server, which we start and stop."""
        return self.database.url is None
