"""The rewards a run adds up: one closed config per kind, a weight each."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from droid_tune.config.base import Closed, setting


class RewardConfig(Closed):
    """What every reward has. `name` labels its curve; empty takes the kind's name."""

    label: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    weight: Annotated[
        float, setting("Weight", "How much this reward counts in the total.", ge=-1000, le=1000)
    ] = 1.0
    name: Annotated[
        str, setting("Name", "Label of its curve; empty takes the kind's own name.", advanced=True)
    ] = ""


FailureShare = Annotated[
    float,
    setting(
        "Stop the run at failures",
        "The run stops when more than this share of a step's completions fail.",
        advanced=True,
        ge=0,
        le=1,
    ),
]
Extraction = Literal["auto", "hash", "boxed", "answer_tag", "last_number", "whole"]


class AccuracyReward(RewardConfig):
    """1 where the completion's answer equals the row's `answer`, else 0."""

    label: ClassVar[str] = "Accuracy"
    summary: ClassVar[str] = "1 if the answer found in the completion equals the row's answer, else 0."
    type: Literal["accuracy"] = "accuracy"
    extraction: Annotated[
        Extraction,
        setting(
            "Where the answer stands",
            "After ####, in \\boxed{}, in <answer> tags, the last number, the whole text; auto tries them in turn.",
        ),
    ] = "auto"
    math: Annotated[
        bool,
        setting(
            "Mathematical equality",
            "Also accept expressions that are mathematically equal (1/2 and 0.5, x+y and y+x).",
        ),
    ] = True


class FormatReward(RewardConfig):
    """1 where the completion matches a regular expression."""

    label: ClassVar[str] = "Format"
    summary: ClassVar[str] = "1 if the completion has the wanted form, else 0."
    type: Literal["format"] = "format"
    pattern: Annotated[
        str,
        setting(
            "Pattern",
            "A regular expression searched for (`.` also matches line ends); empty asks for "
            "<think>...</think><answer>...</answer>.",
        ),
    ] = ""
    full_match: Annotated[
        bool,
        setting(
            "Whole completion",
            "The pattern must match the whole completion, not a part of it.",
            advanced=True,
        ),
    ] = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value


class LengthReward(RewardConfig):
    """Closeness to a target length, or DAPO's soft overlong punishment."""

    label: ClassVar[str] = "Length"
    summary: ClassVar[str] = "Rewards a length near the target, or punishes nearing the limit."
    type: Literal["length"] = "length"
    target: Annotated[
        int | None,
        setting(
            "Target length",
            "1 at this many tokens, falling to 0 at none or twice as many; empty is off.",
            unit="tokens",
            ge=1,
        ),
    ] = None
    overlong_cache: Annotated[
        int | None,
        setting(
            "Overlong margin",
            "From this many tokens before the limit the reward falls from 0 to -1 (DAPO).",
            unit="tokens",
            ge=1,
        ),
    ] = None


class PartialFormatReward(RewardConfig):
    """A share of the credit for each format tag that stands exactly once and in order."""

    label: ClassVar[str] = "Partial format"
    summary: ClassVar[str] = "Part of the credit for each of the think/answer tags that is right."
    type: Literal["partial_format"] = "partial_format"
    tags: Annotated[tuple[str, ...], setting("Tags", "The tags expected, in this order.")] = (
        "think",
        "answer",
    )


class SimilarityReward(RewardConfig):
    """Overlap with the reference answer."""

    label: ClassVar[str] = "Similarity"
    summary: ClassVar[str] = "How much the completion overlaps with the reference answer (0 to 1)."
    type: Literal["similarity"] = "similarity"
    measure: Annotated[
        Literal["rouge_l", "token_f1"], setting("Measure", "Longest common subsequence or shared words.")
    ] = "rouge_l"


class RepetitionReward(RewardConfig):
    """A penalty for repeated n-grams, 0 at best."""

    label: ClassVar[str] = "Repetition"
    summary: ClassVar[str] = "Punishes saying the same thing again (0 at best, -1 at worst)."
    type: Literal["repetition"] = "repetition"
    ngram: Annotated[
        int, setting("Words at a time", "Length of the word sequences that are compared.", ge=1, le=20)
    ] = 3


Script = Literal[
    "LATIN",
    "HAN",
    "JAPANESE",
    "KOREAN",
    "CYRILLIC",
    "ARABIC",
    "DEVANAGARI",
    "BENGALI",
    "GREEK",
    "HEBREW",
    "TAMIL",
    "TELUGU",
    "THAI",
    "GEORGIAN",
    "ARMENIAN",
    "ETHIOPIC",
    "GUJARATI",
    "GURMUKHI",
    "KANNADA",
    "KHMER",
    "LAO",
    "MALAYALAM",
    "MYANMAR",
    "SINHALA",
]


class LanguageReward(RewardConfig):
    """The share of letters in the wanted script."""

    label: ClassVar[str] = "Language"
    summary: ClassVar[str] = "The share of the completion's letters in the wanted script (0 to 1)."
    type: Literal["language"] = "language"
    script: Annotated[
        Script, setting("Script", "English and most of Europe write LATIN, Chinese is HAN.")
    ] = "LATIN"


class MathHeuristicReward(RewardConfig):
    """Length 20 %, formulas 30 %, key terms 30 %, structure 20 %."""

    label: ClassVar[str] = "Math heuristic"
    summary: ClassVar[str] = "A four-part score for worked solutions: length, notation, key terms, structure."
    type: Literal["math_heuristic"] = "math_heuristic"


class CodeReward(RewardConfig):
    """The share of the row's tests that the completion's code passes, in a sandboxed child process."""

    label: ClassVar[str] = "Code tests"
    summary: ClassVar[str] = (
        "Runs the completion's Python against the row's tests. It runs code that a model wrote: off until you allow it."
    )
    type: Literal["code"] = "code"
    allow_running_code: Annotated[
        bool,
        setting(
            "Run the model's code",
            "Code written by a model runs on this computer, in a limited child process. Off by default.",
        ),
    ] = False
    tests_field: Annotated[str, setting("Tests column", "The column that holds the row's tests.")] = "tests"
    timeout_seconds: Annotated[float, setting("Time limit", "Per completion.", unit="s", gt=0, le=600)] = 5.0
    memory_mb: Annotated[int, setting("Memory limit", "Per child process.", unit="MB", ge=64)] = 512


class UserFileReward(RewardConfig):
    """Functions of a Python file of the user's own, run in a child process."""

    label: ClassVar[str] = "Your Python file"
    summary: ClassVar[str] = (
        "A function of your own: (completion, row) -> number or None; or TRL's batch form."
    )
    type: Literal["user_file"] = "user_file"
    path: Annotated[str, setting("File", "A Python file with the reward function.")]
    function: Annotated[
        str, setting("Function", "Its name; empty takes the only public function of the file.")
    ] = ""
    chat_messages: Annotated[
        bool,
        setting(
            "Completions as messages",
            "Pass prompts and completions as lists of messages, as TRL does for chat data.",
            advanced=True,
        ),
    ] = False
    timeout_seconds: Annotated[
        float,
        setting(
            "Time limit", "Per call: of one completion, or of a batch function.", unit="s", gt=0, le=3600
        ),
    ] = 30.0
    memory_mb: Annotated[int, setting("Memory limit", "Of the child process.", unit="MB", ge=64)] = 2048
    failure_share: FailureShare = 0.5


class ModelReward(RewardConfig):
    """A judge: a local model or an OpenAI-compatible endpoint, with a rubric."""

    label: ClassVar[str] = "Judge model"
    summary: ClassVar[str] = "Another model scores each completion by your rubric."
    type: Literal["model"] = "model"
    model: Annotated[
        str, setting("Judge", "A local model folder or Hub id; with a base URL, the model's name there.")
    ]
    base_url: Annotated[
        str, setting("Base URL", "An OpenAI-compatible server of yours; empty runs the judge here.")
    ] = ""
    api_key_variable: Annotated[
        str,
        setting(
            "Key variable",
            "The environment variable that holds the server's key; without it the macOS keychain is asked "
            "(service Droid Tune, account: the server's name).",
            advanced=True,
        ),
    ] = "OPENAI_API_KEY"
    rubric: Annotated[str, setting("Rubric", "What makes a good answer, in words.")] = (
        "Rate how well the answer solves the task."
    )
    max_score: Annotated[
        float,
        setting(
            "Best score",
            "The judge answers with a number from 0 to this; the reward is its share, 0 to 1.",
            gt=0,
        ),
    ] = 10.0
    timeout_seconds: Annotated[float, setting("Time limit", "Per request.", unit="s", gt=0)] = 60.0
    retries: Annotated[
        int, setting("Retries", "Further tries after a failed request.", advanced=True, ge=0, le=10)
    ] = 2
    concurrency: Annotated[
        int, setting("At once", "Requests in flight together.", advanced=True, ge=1, le=64)
    ] = 4
    failure_share: FailureShare = 0.5


AnyReward = Annotated[
    AccuracyReward
    | FormatReward
    | LengthReward
    | PartialFormatReward
    | SimilarityReward
    | RepetitionReward
    | LanguageReward
    | MathHeuristicReward
    | CodeReward
    | UserFileReward
    | ModelReward,
    Field(discriminator="type"),
]
REWARD_CONFIGS: dict[str, type[RewardConfig]] = {
    "accuracy": AccuracyReward,
    "format": FormatReward,
    "length": LengthReward,
    "partial_format": PartialFormatReward,
    "similarity": SimilarityReward,
    "repetition": RepetitionReward,
    "language": LanguageReward,
    "math_heuristic": MathHeuristicReward,
    "code": CodeReward,
    "user_file": UserFileReward,
    "model": ModelReward,
}
