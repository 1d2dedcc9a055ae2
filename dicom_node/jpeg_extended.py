"""Decodes JPEG Extended with 12 bits a sample, as a decoding plugin for pydicom.

pydicom leaves 12-bit JPEG Extended to a GPL library, but GDCM decodes it too. `configure_pydicom`
adds this plugin; pydicom then finds `is_available` and `decode_frame` by name.
"""

import gdcm
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import UID, JPEGExtended12Bit

DECODER_DEPENDENCIES: dict[UID, tuple[str, ...]] = {JPEGExtended12Bit: ("gdcm>=3.0.24",)}
PLUGIN = "precuneus-gdcm-12bit"


def add_plugin() -> None:
    """Let pydicom try this after its own plugins; calling it again changes nothing."""
    decoder = get_decoder(JPEGExtended12Bit)
    if PLUGIN not in decoder.available_plugins:
        decoder.add_plugin(PLUGIN, (__name__, decode_frame.__name__))


def is_available(uid: str) -> bool:
    """Whether this plugin decodes that transfer syntax."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(encoded: bytes, runner: DecodeRunner) -> bytes:
    """The frame's 12-bit grey samples as unsigned 16-bit little endian.

    Raises:
        ValueError: not 12-bit grey, or not decodable.
    """
    if (runner.bits_allocated, runner.bits_stored, runner.samples_per_pixel) != (16, 12, 1):
        raise ValueError("only 12-bit grey samples are decoded by this plugin")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(encoded)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())

    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, runner.pixel_representation))
    grey = gdcm.PhotometricInterpretation.MONOCHROME2
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    syntax = gdcm.TransferSyntax.JPEGExtendedProcess2_4
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetDataElement(element)
    buffer: str = image.GetBuffer()
    # GDCM's binding hands bytes out as text.
    return buffer.encode("utf-8", "surrogateescape")
