"""How `adapter.target_modules` names what is trained: for the files' headers and for the loaded model alike."""

from __future__ import annotations

from fnmatch import fnmatch


def fits(name: str, pattern: str) -> bool:
    """Patterns speak of the whole name or of its last part: `*.q_proj`, `self_attn.*` and `q_proj` all work."""
    return fnmatch(name, pattern) or fnmatch(f".{name}", pattern) or fnmatch(name.rsplit(".", 1)[-1], pattern)
