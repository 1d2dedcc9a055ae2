"""Settings of the DICOM node: whom it listens to, how, and for how long (`PRECUNEUS_DICOM__…`)."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, field_validator, model_validator


class DicomTlsSettings(BaseModel):
    """DICOM over TLS, on a port of its own; on as soon as there is a certificate."""

    certificate: Path | None = Field(
        default=None, description="our certificate and its chain, in PEM; unset: no TLS"
    )
    key: Path | None = Field(
        default=None, description="its private key, in PEM; unset: in the certificate's file"
    )
    ca: Path | None = Field(
        default=None, description="in PEM, whose signatures on peers' certificates are trusted"
    )
    crl: Path | None = Field(
        default=None, description="in PEM, the lists of what those signers have revoked (CRLs)"
    )
    port: int = Field(default=2762, ge=0, le=65535)
    demand_certificate: bool | None = Field(
        default=None, description="whether peers must show a certificate; unset: if there is a CA"
    )
    handshake_timeout_s: float = Field(
        default=15.0, gt=0, description="from connecting to the end of the handshake"
    )

    @field_validator("certificate", "key", "ca", "crl", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        """An empty variable is none: so a compose file can pass it on."""
        return None if value == "" else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.certificate is None and (self.key or self.ca or self.demand_certificate):
            raise ValueError("TLS needs a certificate of ours: set __CERTIFICATE, too")
        if self.demand_certificate and self.ca is None:
            raise ValueError("certificates cannot be demanded without __CA to judge them by")
        if self.crl and self.ca is None:
            raise ValueError("__CRL lists what authorities have revoked: set __CA, too")
        return self


class DicomSettings(BaseModel):
    """The DICOM node."""

    host: str = "127.0.0.1"
    port: int = Field(default=11112, ge=0, le=65535)
    plain: bool = Field(default=True, description="whether the port without TLS is open at all")
    tls: DicomTlsSettings = DicomTlsSettings()
    ae_title: str = Field(default="PRECUNEUS", min_length=1, max_length=16)
    maximum_associations: int = Field(default=100, ge=1)
    maximum_associations_per_peer: int = Field(
        default=100, ge=1, description="from one address, at the same time"
    )
    maximum_half_open: int = Field(
        default=64, ge=16, description="connections without an association; then the oldest goes"
    )
    maximum_pdu_bytes: int = Field(default=131072, ge=4096, le=1 << 20)
    maximum_object_mb: int = Field(default=4096, ge=1, description="larger ones are refused")
    free_space_mb: int = Field(
        default=1024, ge=0, description="of the objects' disk; below it 0xA700 is answered"
    )
    request_timeout_s: float = Field(
        default=30.0, gt=0, description="from connecting to the whole association request"
    )
    idle_timeout_s: float = Field(default=120.0, gt=0, description="between two PDUs")
    pdu_timeout_s: float = Field(default=60.0, gt=0, description="from a PDU's first byte to last")
    minimum_rate: int = Field(
        default=1024, ge=0, description="bytes a second inside a message, over pdu_timeout_s"
    )
    send_timeout_s: float = Field(
        default=30.0, gt=0, description="for a peer that does not read our answers"
    )
    close_timeout_s: float = Field(
        default=5.0, gt=0, description="for a peer to close after our last word"
    )
    drain_s: float = Field(
        default=20.0, ge=0, le=25, description="for running associations, when the node stops"
    )
    keep_associations_days: float = Field(
        default=30, ge=0, description="how long the record of associations goes back"
    )
    keep_associations: int = Field(
        default=250_000, ge=1, description="lines of that record; beyond, the oldest go"
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not self.plain and self.tls.certificate is None:
            raise ValueError("with PLAIN=false nobody could connect: set TLS__CERTIFICATE, too")
        return self

    @field_validator("ae_title")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable() or "\\" in value or not value.strip():
            raise ValueError("an AE title is 1 to 16 printable ASCII characters without backslash")
        return value.strip()
