"""HTML that cannot be broken by what stands in it: every text is escaped, only what `tag` made is taken as it is."""

from __future__ import annotations

from html import escape

from droid_tune.words import literal


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: str) -> Html:
    """A text as it is to be read: markup escaped, steering characters made visible."""
    return value if isinstance(value, Html) else Html(escape(literal(value)))


def tag(name: str, *inside: str, **attributes: str | float) -> Html:
    """An element; `klass` is the attribute class, and `_` in a name is `-`."""
    named = {
        key.rstrip("_").replace("klass", "class").replace("_", "-"): value
        for key, value in attributes.items()
    }
    said = "".join(f' {key}="{escape(str(value))}"' for key, value in named.items())
    return Html(f"<{name}{said}>{joined(*inside)}</{name}>")


def joined(*parts: str) -> Html:
    """One after the other."""
    return Html("".join(text(part) for part in parts))


def table(headings: tuple[str, ...], rows: list[tuple[str, ...]], *, right: tuple[int, ...] = ()) -> Html:
    """A table; the columns numbered in `right` are set flush right."""

    def cells(row: tuple[str, ...], kind: str) -> Html:
        return joined(
            *(
                tag(kind, cell, klass="number") if place in right else tag(kind, cell)
                for place, cell in enumerate(row)
            )
        )

    head = tag("thead", tag("tr", cells(headings, "th")))
    body = tag("tbody", *(tag("tr", cells(row, "td")) for row in rows))
    return tag("table", head, body)
