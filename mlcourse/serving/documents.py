"""What OpenAPI says of the bodies: handlers read raw bytes, for speed and bounds, so it is written down here."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

NUMBERS_SCHEMA = {
    "anyOf": [
        {"type": "array", "description": "Nested lists of numbers, equally long."},
        {
            "type": "object",
            "properties": {"npy": {"type": "string", "contentEncoding": "base64"}},
            "required": ["npy"],
            "additionalProperties": False,
            "description": "Base64 of the bytes that numpy.save writes.",
        },
    ]
}
Numbers = Annotated[Any, WithJsonSchema(NUMBERS_SCHEMA)]
Labels = Annotated[
    Any,
    WithJsonSchema({"type": "array", "description": "Of classes a text or a whole number each; else numbers."}),
]
Name = Annotated[str, Field(max_length=64)]
Version = Annotated[int, Field(ge=1, le=10**9, strict=True)]


class Body(BaseModel):
    """A misspelt field is refused, never passed over."""

    model_config = ConfigDict(extra="forbid")


class Support(Body):
    """Examples to learn from: x (S, *features), and y, one label or row for each."""

    x: Numbers
    y: Labels


class AdaptBody(Body):
    """Adapt this model, by default its current version, to a support set."""

    model: Name
    version: Version | None = None
    support: Support


class PredictBody(Body):
    """Questions x (Q, *features) for an adapter, or for a model with a support set of their own."""

    x: Numbers
    adapter: Annotated[str, Field(max_length=64)] | None = None
    model: Name | None = None
    version: Version | None = None
    support: Support | None = None


class FeedbackBody(Body):
    """True labels y for inputs x that this adapter was asked about."""

    adapter: Annotated[str, Field(max_length=64)]
    x: Numbers
    y: Labels


class Adapted(BaseModel):
    """confidence: the chance that a prediction will be right, as validation tasks like this one showed."""

    adapter: str
    model: str
    version: int
    confidence: float
    seconds: float
    labels: list[str | int] | None = None


class Predicted(BaseModel):
    """confidence: of each prediction. abstain: where it is below the model's threshold: better ask a person."""

    model: str
    version: int
    predictions: list[Any]
    labels: list[str | int] | None = None
    probabilities: list[list[float]] | None = None
    confidence: list[float]
    abstain: list[bool]
    seconds: float


class Problem(BaseModel):
    """What was wrong, and how to mend it."""

    error: str


SINES = {"x": [[-3.0], [-1.5], [0.0], [1.5], [3.0]], "y": [-0.28, -1.99, 0.0, 1.99, 0.28]}
ADAPT = {"sines": {"summary": "Five points of a sine", "value": {"model": "sines", "support": SINES}}}
PREDICT = {
    "inline": {
        "summary": "With a support set, nothing is kept",
        "value": {"model": "sines", "support": SINES, "x": [[0.5], [1.0]]},
    },
    "adapter": {
        "summary": "By an adapter of POST /adapt",
        "value": {"adapter": "the id that /adapt gave", "x": [[0.5], [1.0]]},
    },
}
FEEDBACK = {
    "sines": {
        "summary": "What turned out",
        "value": {"adapter": "the id that /adapt gave", "x": [[0.5], [1.0]], "y": [0.96, 1.68]},
    }
}


def body(model: type[BaseModel], examples: dict[str, Any], arrays: str) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is this model in JSON, or arrays in NumPy's format."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    described = {"application/json": {"schema": schema, "examples": examples}}
    described["application/x-npy"] = {"schema": {"type": "string", "format": "binary", "description": arrays}}
    return {"requestBody": {"required": True, "content": described}}


def components() -> dict[str, Any]:
    """Schemas that the bodies refer to."""
    return {"Support": Support.model_json_schema()}
