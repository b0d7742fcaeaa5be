"""The share of letters in the wanted script: keeps a model from drifting into another language."""

from __future__ import annotations

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
#: letters of no script: Ukrainian's apostrophe, raised letters
_OF_NONE = "MODIFIER"


def language_reward(config: LanguageReward) -> EachReward:
    """0 to 1; not applicable to a completion without letters."""
    wanted = _BEGINNINGS.get(config.script, (config.script,))

    def judge(sample: Sample) -> float | None:
        scripts = [script_of(letter) for letter in sample.completion if letter.isalpha()]
        scripts = [script for script in scripts if script != _OF_NONE]
        return sum(script in wanted for script in scripts) / len(scripts) if scripts else None

    script = config.script.capitalize()
    return EachReward(judge, why=lambda _, value: f"{share(value)} of the letters are {script}")


@lru_cache(maxsize=50_000)
def script_of(letter: str) -> str:
    """The first word of a letter's Unicode name: LATIN, CJK, CYRILLIC, ..."""
    return unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "").partition(" ")[0]
