"""HTML that cannot be broken out of: whatever is not markup already is escaped on its way in."""

from __future__ import annotations

from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

VOID = frozenset(("img", "meta"))


class Html(str):
    """Text that is markup; made by `tag` alone."""

    __slots__ = ()


def tag(element: str, /, *children: object, **attributes: object) -> Html:
    """An element; None among the children is nothing; an attribute's underscores are hyphens (`class_` is class).

    >>> from rushlight.tabular.markup import tag
    >>> tag("p", "a < b", class_="note", aria_label='"')
    '<p class="note" aria-label="&quot;">a &lt; b</p>'
    """
    opening = element
    for key, value in attributes.items():
        opening += f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
    if element in VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{joined(children)}</{element}>")


def joined(children: Iterable[object]) -> Html:
    """Elements and texts in a row."""
    return Html("".join([c if isinstance(c, Html) else escape(str(c)) for c in children if c is not None]))


def table(caption: str, head: list[object], rows: list[list[object]], most: int = 100) -> Html:
    """Rows whose first cell names them; wide ones scroll by themselves, long ones are cut."""
    lines = [tag("tr", tag("th", row[0], scope="row"), *[tag("td", cell) for cell in row[1:]]) for row in rows[:most]]
    if len(rows) > most:
        lines.append(tag("tr", tag("td", f"and {len(rows) - most} more", colspan=len(head))))
    content = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *[tag("th", cell, scope="col") for cell in head])),
        tag("tbody", *lines),
    )
    return tag("div", content, class_="wide", role="region", tabindex=0, aria_label=caption)


def page(title: str, style: str, *children: object) -> Html:
    """A document of its own: the policy in its head keeps it from loading or running anything, whatever is in it."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style)),
    )
    return Html("<!doctype html>\n" + tag("html", head, tag("body", *children), lang="en") + "\n")
