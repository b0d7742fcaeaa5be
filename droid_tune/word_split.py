"""Words of any language, and how often they repeat: for rewards and reports that count them."""

from __future__ import annotations

import unicodedata

import regex

#: scripts written without spaces: each of their letters counts as a word
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
#: `regex` counts marks as parts of words: vowels of Hindi and Tamil, of Arabic and Hebrew
_WORD = regex.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[\w'’])+")


def words(text: str) -> list[str]:
    """Lower-case words; Chinese, Japanese, Thai and the like letter by letter."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def repeated_share(text: str, n: int) -> float:
    """The share of n-word sequences that occurred before (0 to just under 1); 0 for a text too short for two."""
    said = words(text)
    sequences = [tuple(said[start : start + n]) for start in range(len(said) - n + 1)]
    return 1 - len(set(sequences)) / len(sequences) if sequences else 0.0
