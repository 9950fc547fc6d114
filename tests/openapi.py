"""Alpaca's own OpenAPI documents as a judge: is this answer of the exchange one that Alpaca's documents allow?

The documents are the data files of the package alpaca-mcp-server, which is never imported: its own dependencies are not needed
here. They are OpenAPI 3.1, whose schemas are JSON Schema 2020-12, so a null is a type like another and nothing has to be
converted. Answers of long lists are judged by their ends: a page of 10,000 bars takes seconds otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:  # jsonschema builds 38 grammars while it is imported: two seconds that only a judge has to wait
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import ValidationError

PACKAGE = "alpaca-mcp-server"
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
OF_ALPACA = re.compile(r"/v\d")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
LISTED = Path(__file__).with_name("known_schema_violations.yaml")
ENDS = 50
Json = dict[str, Any]

# What every refusal of Alpaca's looks like. Some bodies have a message alone (401, and 403 of the data service).
ERROR_BODY: Json = {
    "type": "object",
    "required": ["message"],
    "properties": {"message": {"type": "string", "minLength": 1}, "code": {"type": "integer", "minimum": 10_000_000}},
}


class ContractViolation(AssertionError):
    """An answer that Alpaca's documents do not allow."""


@dataclass(frozen=True)
class Operation:
    """One method on one path template of one document."""

    document: str
    method: str
    path: str

    @property
    def pointer(self) -> str:
        return f"/paths/{escaped(self.path)}/{self.method}"

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


@dataclass(frozen=True)
class Listed:
    """One entry of the list of known violations."""

    path: str
    field: str
    keyword: str
    when: Mapping[str, object]
    reason: str
    value: object = None

    def allows(self, operation: Operation, error: ValidationError, body: object) -> bool:
        fits = operation.path.startswith(self.path) and error.validator == self.keyword and not error.context
        trail = list(error.absolute_path)
        if not fits or (self.field and (not trail or trail[-1] != self.field or error.instance != self.value)):
            return False
        around = at(body, trail[:-1] if self.field else trail)
        return isinstance(around, Mapping) and all(around.get(name) == value for name, value in self.when.items())


@cache
def documents() -> Mapping[str, Json]:
    """Alpaca's documents by name ("trading", "market-data"); none when the package is not installed."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        return {}
    found = {file.name.removesuffix("-api.json"): Path(str(file.locate())) for file in files if file.name.endswith("-api.json")}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in found.items()}


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of both documents, those with fewer blanks in their paths first."""
    found = [
        Operation(name, method, path)
        for name, document in documents().items()
        for path, item in document["paths"].items()
        for method in item
        if method in METHODS
    ]
    return tuple(sorted(found, key=lambda operation: operation.path.count("{")))


@cache
def listed() -> tuple[Listed, ...]:
    return tuple(Listed(**entry) for entry in yaml.safe_load(LISTED.read_text(encoding="utf-8")))


def find(method: str, path: str) -> Operation | None:
    """The operation that a request goes to, its path without the query."""
    wanted = method.lower()
    return next((each for each in operations() if each.method == wanted and _template(each.path).fullmatch(path)), None)


def check_contract(method: str, path: str, status: int, content: bytes | str) -> None:
    """Raise ContractViolation unless Alpaca's documents allow this answer. Paths that are not Alpaca's are not judged.

    A refusal is judged by the body that all of them share, since the documents list few of them. A body of a server error that
    is no JSON passes: Alpaca's load balancer sends such.
    """
    path = path.partition("?")[0]
    if not documents() or not OF_ALPACA.match(path):
        return
    operation, body = find(method, path), _parsed(content)
    if status >= 400:
        problems = [] if status >= 500 and body is None else list(_plain(body, ERROR_BODY))
    elif operation is None:
        problems = ["Alpaca's documents have no such endpoint"]
    else:
        problems = list(violations(operation, status, body, bool(content)))
    if problems:
        raise ContractViolation("\n".join([f"{method} {path} answered {status}:", *problems]))


def violations(operation: Operation, status: int, body: object, has_body: bool = True) -> Iterator[str]:
    """What in an answer to `operation` its document does not allow, but for what is listed."""
    response = _response(operation, status)
    if response is None:
        yield f"status {status} is not documented for {operation}"
        return
    pointer, shape = response
    if "application/json" not in shape.get("content", {}):
        if has_body and status == 204:
            yield "204 comes without a body"
        return
    validator = _validator(operation.document, f"{pointer}/content/application~1json/schema")
    body = trimmed(body)
    yield from _failed_parts(body) if status == 207 else ()
    for error in validator.iter_errors(_done_parts(body) if status == 207 else body):
        if not any(entry.allows(operation, error, body) for entry in listed()):
            yield _told(error)


def check_order(order: object) -> None:
    """Judge an order from a trade update, which the documents describe in words alone, by the schema of orders."""
    operation = find("GET", "/v2/orders/{order_id}")
    if operation is not None and (problems := list(violations(operation, 200, order))):
        raise ContractViolation("\n".join(["an order of a trade update:", *problems]))


def watch(session: Any) -> None:
    """Judge every answer that a `requests.Session` gets from now on (alpaca-py's clients have one as `_session`)."""

    def judge(response: Any, *rest: object, **options: object) -> None:
        request = response.request
        check_contract(request.method, request.path_url, response.status_code, response.content)

    session.hooks["response"].append(judge)


def at(value: object, trail: Iterable[object]) -> object:
    for step in trail:
        value = value[step]  # a validator walked this way before
    return value


def trimmed(value: object) -> object:
    """`value` with the middle of long lists left out."""
    if isinstance(value, dict):
        return {name: trimmed(part) for name, part in value.items()}
    if isinstance(value, list):
        short = value if len(value) <= 2 * ENDS else value[:ENDS] + value[-ENDS:]
        return [trimmed(part) for part in short]
    return value


def escaped(text: str) -> str:
    """A name as a part of a JSON pointer in a URI."""
    return text.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def resolved(document: Json, value: Json) -> Json:
    """What a `$ref` inside a document stands for."""
    while "$ref" in value:
        target: Any = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]
        value = target
    return value


def _done_parts(body: object) -> object:
    return [part for part in body if not _has_failed(part)] if isinstance(body, list) else body


def _failed_parts(body: object) -> Iterator[str]:
    """In an answer for many, each has a status of its own, and one that failed carries a refusal in place of the order."""
    for part in body if isinstance(body, list) else []:
        if _has_failed(part) and part.get("body") is not None:
            yield from _plain(part["body"], ERROR_BODY)


def _has_failed(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("status"), int) and part["status"] >= 400


def _response(operation: Operation, status: int) -> tuple[str, Json] | None:
    """Pointer to the documented answer, and the answer."""
    document = documents()[operation.document]
    given = document["paths"][operation.path][operation.method]["responses"].get(str(status))
    if given is None:
        return None
    pointer = given["$ref"].removeprefix("#") if "$ref" in given else f"{operation.pointer}/responses/{status}"
    return pointer, resolved(document, given)


def _plain(body: object, schema: Json) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    return (_told(error) for error in Draft202012Validator(schema).iter_errors(body))


def _told(error: ValidationError) -> str:
    place = "/".join(str(step) for step in error.absolute_path) or "the body"
    return f"  {place}: {error.validator}: {error.message[:300]}"


def _parsed(content: bytes | str) -> object:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


@cache
def _template(path: str) -> re.Pattern[str]:
    pieces = re.split(r"\{\w+\}", path)
    return re.compile("[^/]+".join(re.escape(piece) for piece in pieces))


@cache
def _registry() -> Registry[Json]:
    found = [(f"urn:alpaca:{name}", Resource(document, DRAFT202012)) for name, document in documents().items()]
    return Registry().with_resources(found).crawl()


@cache
def _validator(document: str, pointer: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator({"$ref": f"urn:alpaca:{document}#{pointer}"}, registry=_registry(), format_checker=_formats())


@cache
def _formats() -> FormatChecker:
    """The formats that the documents name and a text can fail; those of numbers say how a computer keeps them."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    texts = {
        "date-time": lambda text: INSTANT.fullmatch(text) and datetime.fromisoformat(text),
        "date": date.fromisoformat,
        "uuid": UUID,
        "decimal": re.compile(r"-?\d+(\.\d+)?").fullmatch,
        "ulid": re.compile(r"[0-9A-HJKMNP-TV-Z]{26}").fullmatch,
    }
    for name, judge in texts.items():
        checker.checks(name, raises=ValueError)(lambda value, judge=judge: not isinstance(value, str) or bool(judge(value)))
    return checker
