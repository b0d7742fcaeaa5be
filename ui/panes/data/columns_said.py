"""Advice of the command line on columns, in the words of the window."""

from __future__ import annotations

import re
import shlex

_ONE = r"""--map (?:'[^']*'|"'"|[^\s'"])+?(?=[.;,:]?(?:\s|$))"""
_ALL = re.compile(rf"(?P<before>add |by )?(?P<options>{_ONE}(?: {_ONE})*)")


def in_columns(text: str) -> str:
    """A sentence with its `--map FIELD=COLUMN` as what to choose in Columns; any other sentence as it is."""
    return _ALL.sub(_said, text) if "--map" in text else text


def _said(found: re.Match[str]) -> str:
    pairs = [word.partition("=") for word in shlex.split(found["options"]) if word != "--map"]
    said = " and ".join(f"`{field}` from `{name}`" for field, _, name in pairs)
    return f"by reading {said} in Columns" if found["before"] == "by " else f"in Columns, read {said}"
