"""The JSON of a search by a region or by examples, as it is asked and as it is repeated."""

import re
from typing import Annotated, Any, Self

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import InvalidParameter
from service.uploads.examples import MAXIMUM_EXAMPLES, Example
from service.uploads.preparing import MINIMUM_SIDE

_MOST_PIXELS = 65535  # Rows and Columns are 16 bits
CT_WINDOW = r"^-?[0-9]{1,5}(\.[0-9]+)?,-?[0-9]{1,5}(\.[0-9]+)?$"
_Edge = Annotated[float, Field(ge=0, le=_MOST_PIXELS, allow_inf_nan=False)]


class ExampleBody(BaseModel):
    """A slice of the gallery."""

    model_config = ConfigDict(extra="forbid")

    sop_instance_uid: str = Field(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)
    frame: int = Field(default=1, ge=1, le=1_000_000, description="1-based, as in DICOM")

    def example(self) -> Example:
        """The same for the search."""
        return Example(self.sop_instance_uid, self.frame)


class RegionBody(ExampleBody):
    """A box of a slice of the gallery."""

    box: tuple[_Edge, _Edge, _Edge, _Edge] = Field(
        description="left, top, right, bottom in pixels of the frame, edges at integers: "
        f"[0, 0, columns, rows] is all of it; at least {MINIMUM_SIDE} pixels a side"
    )

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        left, top, right, bottom = self.box
        if right - left < MINIMUM_SIDE or bottom - top < MINIMUM_SIDE:
            raise ValueError(
                f"box is [left, top, right, bottom], at least {MINIMUM_SIDE} pixels wide and high"
            )
        return self


_Examples = Annotated[list[ExampleBody], Field(max_length=MAXIMUM_EXAMPLES)]


class AskedBody(BaseModel):
    """What to search by: either a region, or positive and perhaps negative examples."""

    model_config = ConfigDict(extra="forbid")

    region: RegionBody | None = None
    positive: _Examples | None = Field(default=None, description="slices to find the like of")
    negative: _Examples | None = Field(default=None, description="slices to stay away from")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.region is None) == (not self.positive):
            raise ValueError("give either a region, or positive examples")
        if self.region is not None and self.negative:
            raise ValueError("negative examples go with positive ones, not with a region")
        if len(self.positive or ()) + len(self.negative or ()) > MAXIMUM_EXAMPLES:
            raise ValueError(f"at most {MAXIMUM_EXAMPLES} examples are taken")
        return self


def parse_asked(data: bytes) -> AskedBody:
    """The JSON of a request.

    Raises:
        RequestValidationError: it is no JSON, or asks for something else.
    """
    try:
        return AskedBody.model_validate_json(data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        ) from None


def window_of(text: str | None) -> tuple[float, float] | None:
    """The HU of black and of white in a text such as 0,80.

    Raises:
        InvalidParameter: it is no such text, or white is not above black.
    """
    if text is None:
        return None
    if re.fullmatch(CT_WINDOW, text):
        black, white = map(float, text.split(","))
        if black < white:
            return black, white
    raise InvalidParameter("ct_window is two numbers, such as 0,80: the HU of black and of white.")


def schema_of_asked() -> dict[str, Any]:
    """Its JSON schema, complete in itself, for a route that reads its body on its own."""
    schema = AskedBody.model_json_schema()
    definitions = schema.pop("$defs", {})
    return _inlined(schema, definitions)  # type: ignore[no-any-return]


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(definitions[value["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(item, definitions) for name, item in value.items()}
