"""Texts that a template rendered a moment ago: a run looks at its rows when it begins, then draws the same ones."""

from __future__ import annotations

from collections import OrderedDict

#: bytes of texts and of what was asked for, as Python holds them
MOST_KEPT_BYTES = 8_000_000

Texts = list[dict[str, str]]


class RenderedTexts:
    """The replies that were asked for last, by template and request; not for several threads at a time."""

    def __init__(self, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._known: OrderedDict[tuple[str, str], Texts] = OrderedDict()

    def find(self, source: str, request: str) -> Texts | None:
        """What a template made of a request, if that is still known."""
        found = self._known.get((source, request))
        if found is not None:
            self._known.move_to_end((source, request))
        return found

    def keep(self, source: str, request: str, texts: Texts) -> None:
        """Remember it, and forget what was asked for longest ago."""
        if (source, request) in self._known:
            return
        self._known[source, request] = texts
        self._bytes += _weight(request, texts)
        while self._bytes > self._most:
            (_, before), earlier = self._known.popitem(last=False)
            self._bytes -= _weight(before, earlier)


def _weight(request: str, texts: Texts) -> int:
    """Bytes, roughly: strings that are not ASCII take up to four a letter; a dict and a key come to half a thousand."""
    wide = 1 if request.isascii() else 4
    return 500 + len(request) + wide * sum(len(text) for one in texts for text in one.values())
