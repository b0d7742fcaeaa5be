"""The share of letters in the wanted script: keeps a model from drifting into another language."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from droid_tune.config.rewards import LanguageReward
from droid_tune.rewards.base import EachReward, Sample
from droid_tune.words import share

#: scripts whose Unicode names begin otherwise than the script is called
_BEGINNINGS = {
    "HAN": ("CJK", "IDEOGRAPHIC"),
    "JAPANESE": ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK", "IDEOGRAPHIC"),
    "KOREAN": ("HANGUL",),
}
#: what is of no language: code, tags, marks of templates, LaTeX's commands, addresses
_OF_NO_LANGUAGE = re.compile(
    r"(?P<fence>```|~~~).*?(?:(?P=fence)|\Z)|`[^`\n]*`|</?[A-Za-z][\w-]*>|<\|[^|<>\n]{1,40}\|>|\\[A-Za-z]+|https?://\S+",
    re.DOTALL,
)
#: letters of no script: Ukrainian's apostrophe, raised letters
_OF_NONE = "MODIFIER"


def language_reward(config: LanguageReward) -> EachReward:
    """0 to 1; not applicable to a completion without letters. Code, tags and LaTeX's commands count only where nothing else
    is said."""
    wanted = _BEGINNINGS.get(config.script, (config.script,))

    def judge(sample: Sample) -> float | None:
        scripts = _scripts(_OF_NO_LANGUAGE.sub(" ", sample.completion)) or _scripts(sample.completion)
        return sum(script in wanted for script in scripts) / len(scripts) if scripts else None

    script = config.script.capitalize()
    return EachReward(judge, why=lambda _, value: f"{share(value)} of the letters are {script}")


def _scripts(text: str) -> list[str]:
    """The script of each letter that has one."""
    found = [script_of(letter) for letter in text if letter.isalpha()]
    return [script for script in found if script != _OF_NONE]


@lru_cache(maxsize=50_000)
def script_of(letter: str) -> str:
    """The first word of a letter's Unicode name: LATIN, CJK, CYRILLIC, ..."""
    return unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "").partition(" ")[0]
