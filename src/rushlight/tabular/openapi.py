"""What the service says of itself: the model, the OpenAPI document, and a page that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json

from rushlight.tabular.markup import Html, table, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight.tabular.rows import ImageRows, TableRows
    from rushlight.tabular.run import Run
    from rushlight.tabular.service import Limits

PATHS = (
    ("GET", "/", "the model: its columns, its classes, how good it is on the test rows"),
    ("POST", "/predict", "predictions for a row, or for a list of rows, in its order"),
    ("GET", "/health", "whether the service answers"),
    ("GET", "/openapi.json", "this description for programs"),
    ("GET", "/docs", "this description for people"),
)


def describe(run: Run) -> dict[str, Any]:
    """The answer of `GET /`."""
    from rushlight._version import __version__
    from rushlight.tabular.fitting import outline

    target = run.target
    part = "test" if "test" in run.results["after"] else "training"
    scores = {name: value for name, value in run.results["after"][part].items() if name != "confusion"}
    return {
        "data": run.origin,
        "target": target.name,
        "task": target.task,
        **({"classes": target.classes} if target.classes else {}),
        "columns": run.preprocess.names,
        "model": outline(run.settings, run.model),
        part: {name: value if value == value else None for name, value in scores.items()},
        "rushlight": __version__,
        "documentation": "docs",
    }


def document(run: Run, rows: TableRows | ImageRows, limits: Limits) -> dict[str, Any]:
    """The OpenAPI document (version 3.1, https://spec.openapis.org/oas/v3.1.0)."""
    from rushlight._version import __version__

    one, answer = {"$ref": "#/components/schemas/Row"}, {"$ref": "#/components/schemas/Answer"}
    object_ = {"type": "object"}
    paths: dict[str, Any] = {}
    for method, path, summary in PATHS:
        kind = "text/html" if path == "/docs" else "application/json"
        schema = {"type": "string"} if path == "/docs" else object_
        paths[path] = {method.lower(): {"summary": summary, "responses": {"200": response(summary, schema, kind)}}}
    paths["/predict"]["post"] = {
        "summary": PATHS[1][2],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [one, {"type": "array", "items": one, "maxItems": limits.rows}]},
                    "example": rows.example(),
                }
            },
        },
        "responses": {
            "200": response(
                "an answer for a row, a list of answers for a list of rows",
                {"oneOf": [answer, {"type": "array", "items": answer}]},
            ),
            **{
                status: response(text, {"$ref": "#/components/schemas/Error"})
                for status, text in (
                    ("400", "the body is not JSON"),
                    ("408", f"the body took longer than {limits.seconds:g} seconds"),
                    ("413", f"more than {limits.rows} rows or {limits.size} bytes"),
                    ("415", "the content type is not application/json"),
                    ("422", "a row does not fit the model; the problems are named"),
                    ("503", f"no answer within {limits.seconds:g} seconds, or too many connections"),
                )
            },
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title(run), "version": __version__, "description": f"Predicts {run.target.name}."},
        "paths": paths,
        "components": {"schemas": {"Row": rows.schema(), "Answer": answer_schema(run), "Error": ERROR}},
    }


ERROR = {
    "type": "object",
    "properties": {
        "error": {"type": "string"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": "integer", "description": "counted from 1"},
                    "column": {"type": ["string", "null"]},
                    "problem": {"type": "string"},
                },
            },
        },
    },
    "required": ["error"],
}


def response(text: str, schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"description": text, "content": {kind: {"schema": schema}}}


def answer_schema(run: Run) -> dict[str, Any]:
    """JSON Schema of the answer to a row."""
    if not run.target.classes:
        return {"type": "object", "properties": {"prediction": {"type": "number"}}, "required": ["prediction"]}
    chance = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "properties": {
            "prediction": {"enum": run.target.values},
            "probabilities": {"type": "object", "properties": dict.fromkeys(run.target.classes, chance)},
        },
        "required": ["prediction", "probabilities"],
    }


def title(run: Run) -> str:
    return f"{run.target.name}, from {run.origin}"


# The page. Its addresses are relative, so that it works behind a proxy that serves it under a path.

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #1d2329 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } caption { text-align: left; color: #545e68 }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #d5dbe1; vertical-align: top }
.wide { overflow-x: auto }
textarea, pre { font: .9rem/1.4 ui-monospace, monospace; width: 100%; box-sizing: border-box; padding: .6rem;
  background: #f3f6f9; color: inherit; border: 1px solid #d5dbe1; border-radius: .3rem }
pre { overflow: auto; max-height: 25rem; min-height: 2.6rem }
button { font: inherit; padding: .3rem 1.2rem; margin: .5rem 0 }
"""

SCRIPT = """
document.querySelector("form").addEventListener("submit", async event => {
  event.preventDefault();
  const answer = document.querySelector("#answer");
  try {
    const response = await fetch("predict", {
      method: "POST",
      headers: {"content-type": "application/json"},
      body: document.querySelector("textarea").value,
    });
    answer.textContent = response.status + " " + JSON.stringify(await response.json(), null, 2);
  } catch (error) {
    answer.textContent = "no answer: " + error.message;
  }
});
"""


def docs_page(run: Run, rows: TableRows | ImageRows, limits: Limits) -> tuple[str, str]:
    """The page at /docs, and the policy that lets it run its own script and nothing else."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    policy += f"script-src 'sha256-{digest}'"
    properties = rows.schema()["properties"]
    columns: list[list[object]] = [[name, entry["description"]] for name, entry in properties.items()]
    example = rows.example()
    text = json.dumps(example, indent=2 if len(columns) < 20 and "image" not in example else None, ensure_ascii=False)
    lines = min(text.count("\n") + 1, 20)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Html('<link rel="icon" href="data:,">'),  # else browsers ask for /favicon.ico
        tag("title", title(run)),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "body",
        tag("h1", title(run)),
        tag(
            "p", f"A service that predicts {run.target.name}. For programs: ", tag("a", "OpenAPI", href="openapi.json")
        ),
        table("Addresses", ["address", "answers"], [[f"{method} {path}", text] for method, path, text in PATHS]),
        tag("h2", "Try it"),
        tag(
            "form",
            tag("label", "A row, or a list of rows, for POST /predict:", for_="row"),
            tag("textarea", text, id="row", rows=max(lines, 6), spellcheck="false"),
            tag("button", "Predict"),
        ),
        tag("pre", id="answer", role="status", aria_live="polite"),
        tag("h2", "Columns of a row"),
        table("All are needed", ["column", "values"], columns, most=1000),
        tag("h2", "Limits"),
        tag(
            "p",
            f"{limits.rows} rows and {limits.size} bytes in a request, {limits.seconds:g} seconds for its body to "
            "arrive and as many for the answer. Errors are JSON: error, and problems with row, column and problem.",
        ),
        tag("script", Html(SCRIPT)),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n", policy
