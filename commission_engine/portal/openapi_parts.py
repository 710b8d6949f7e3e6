"""What descriptions of the API are made of (OpenAPI 3.1)."""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
DAY: dict[str, Any] = {"type": "string", "format": "date"}
AMOUNT: dict[str, Any] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}
STATEMENT_ID: dict[str, Any] = {"type": "string", "pattern": "^st-[0-9]{8}-[0-9a-v]{16}$"}
REFERENCE: dict[str, Any] = {"type": "string", "pattern": "^ln-[0-9a-v]{12}$"}
AFTER: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]{1,7}\.[0-9]{1,9}$"}
LEVEL: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 9999}


def record(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def list_of(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def or_null(of: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [of, {"type": "null"}]}


def parameter(name: str, schema: dict[str, Any], says: str, where: str = "query") -> Any:
    return {
        "name": name, "in": where, "required": where == "path", "schema": schema,
        "description": says,
    }  # fmt: skip


def get(answer: str, says: str, *parameters: Any) -> dict[str, Any]:
    def content(name: str, description: str) -> dict[str, Any]:
        schema = {"$ref": f"#/components/schemas/{name}"}
        return {"description": description, "content": {"application/json": {"schema": schema}}}

    answers = {
        "200": content(answer, says),
        "401": content("Error", "The token is missing, has ended, or was taken back."),
        "404": content("Error", "There is no such thing, or it is somebody else's."),
        "429": content("Error", "Too often; Retry-After says for how long to wait."),
    }
    if any(each["in"] == "query" for each in parameters):
        answers["400"] = content("Error", "A parameter is not what it should be.")
    return {"get": {"summary": says, "parameters": list(parameters), "responses": answers}}
