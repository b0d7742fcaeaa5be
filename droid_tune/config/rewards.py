"""The rewards a run adds up: one closed config per kind, a weight each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from droid_tune.config.base import Closed, configs_by_type, setting


class RewardConfig(Closed):
    """What every reward has. `name` labels its curve; empty takes the kind's name."""

    label: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    weight: float = setting(1.0, "Weight", ge=-1000, le=1000)
    """How much this reward counts in the total."""
    name: str = setting("", "Name", advanced=True)
    """Label of its curve; empty takes the kind's own name."""


FailureShare = Annotated[
    float,
    setting(
        title="Stop the run at failures",
        description="The run stops when more than this share of a step's completions fail.",
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
    extraction: Extraction = setting("auto", "Where the answer stands")
    """After ####, in \\boxed{}, in <answer> tags, the last number, the whole text; auto takes the last of these marks."""
    math: bool = setting(True, "Mathematical equality")
    """Also accept expressions that are mathematically equal (1/2 and 0.5, x+y and y+x)."""


class FormatReward(RewardConfig):
    """1 where the completion matches a regular expression."""

    label: ClassVar[str] = "Format"
    summary: ClassVar[str] = "1 if the completion has the wanted form, else 0."
    type: Literal["format"] = "format"
    pattern: str = setting("", "Pattern")
    """A regular expression searched for (`.` also matches line ends); empty asks for
    <think>...</think><answer>...</answer>.
    """
    full_match: bool = setting(False, "Whole completion", advanced=True)
    """The pattern must match the whole completion, not a part of it."""

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
    target: int | None = setting(None, "Target length", unit="tokens", ge=1)
    """1 at this many tokens, falling to 0 at none or twice as many; empty is off."""
    overlong_cache: int | None = setting(None, "Overlong margin", unit="tokens", ge=1)
    """From this many tokens before the limit the reward falls from 0 to -1 (DAPO)."""


class PartialFormatReward(RewardConfig):
    """A share of the credit for each format tag that stands exactly once and in order."""

    label: ClassVar[str] = "Partial format"
    summary: ClassVar[str] = "Part of the credit for each of the think/answer tags that is right."
    type: Literal["partial_format"] = "partial_format"
    tags: tuple[str, ...] = setting(
        (
            "think",
            "answer",
        ),
        "Tags",
    )
    """The tags expected, in this order."""


class SimilarityReward(RewardConfig):
    """Overlap with the reference answer."""

    label: ClassVar[str] = "Similarity"
    summary: ClassVar[str] = "How much the completion overlaps with the reference answer (0 to 1)."
    type: Literal["similarity"] = "similarity"
    measure: Literal["rouge_l", "token_f1"] = setting("rouge_l", "Measure")
    """Longest common subsequence or shared words."""


class RepetitionReward(RewardConfig):
    """A penalty for repeated n-grams, 0 at best."""

    label: ClassVar[str] = "Repetition"
    summary: ClassVar[str] = "Punishes saying the same thing again (0 at best, -1 at worst)."
    type: Literal["repetition"] = "repetition"
    ngram: int = setting(3, "Words at a time", ge=1, le=20)
    """Length of the word sequences that are compared."""


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
    script: Script = setting("LATIN", "Script")
    """English and most of Europe write LATIN, Chinese is HAN."""


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
    allow_running_code: bool = setting(False, "Run the model's code")
    """Code written by a model runs on this computer, in a limited child process. Off by default."""
    tests_field: str = setting("tests", "Tests column")
    """The column that holds the row's tests: asserts, functions of pytest, classes of unittest, or HumanEval's `check`."""
    timeout_seconds: float = setting(5.0, "Time limit", unit="s", gt=0, le=600)
    """Per completion."""
    memory_mb: int = setting(512, "Memory limit", unit="MB", ge=64)
    """Per child process."""


class UserFileReward(RewardConfig):
    """Functions of a Python file of the user's own, run in a child process."""

    label: ClassVar[str] = "Your Python file"
    summary: ClassVar[str] = (
        "A function of your own: (completion, row) -> number or None; or TRL's batch form."
    )
    type: Literal["user_file"] = "user_file"
    path: str = setting(title="File")
    """A Python file with the reward function."""
    function: str = setting("", "Function")
    """Its name; empty takes the only public function of the file."""
    chat_messages: bool = setting(False, "Completions as messages", advanced=True)
    """Pass prompts and completions as lists of messages, as TRL does for chat data."""
    timeout_seconds: float = setting(30.0, "Time limit", unit="s", gt=0, le=3600)
    """Per call: of one completion, or of a batch function."""
    memory_mb: int = setting(2048, "Memory limit", unit="MB", ge=64)
    """Of the child process."""
    readable: tuple[str, ...] = setting((), "May read", advanced=True)
    """Files and folders that it may read besides its own folder: a model, a word list."""
    network: bool = setting(False, "May use the network", advanced=True)
    """Off by default: the function runs shut in, without network and without your other files."""
    failure_share: FailureShare = 0.5


class ModelReward(RewardConfig):
    """A judge: a local model or an OpenAI-compatible endpoint, with a rubric."""

    label: ClassVar[str] = "Judge model"
    summary: ClassVar[str] = "Another model scores each completion by your rubric."
    type: Literal["model"] = "model"
    model: str = setting(title="Judge")
    """A local model folder or Hub id; with a base URL, the model's name there."""
    base_url: str = setting("", "Base URL")
    """An OpenAI-compatible server of yours; empty runs the judge here."""
    api_key_variable: str = setting("OPENAI_API_KEY", "Key variable", advanced=True)
    """The environment variable that holds the server's key; without it the macOS keychain is asked (service
    Droid Tune, account: the server's name).
    """
    rubric: str = setting("Rate how well the answer solves the task.", "Rubric")
    """What makes a good answer, in words."""
    max_score: float = setting(10.0, "Best score", gt=0)
    """The judge answers with a number from 0 to this; the reward is its share, 0 to 1."""
    timeout_seconds: float = setting(60.0, "Time limit", unit="s", gt=0)
    """Per request."""
    retries: int = setting(2, "Retries", advanced=True, ge=0, le=10)
    """Further tries after a failed request."""
    concurrency: int = setting(4, "At once", advanced=True, ge=1, le=64)
    """Requests in flight together."""
    failure_share: FailureShare = 0.5


class RewardModelReward(RewardConfig):
    """The number that a trained reward model gives the completion."""

    aliases: ClassVar[dict[str, str]] = {"run": "path", "reward_model_path": "path"}
    label: ClassVar[str] = "Reward model"
    summary: ClassVar[str] = (
        "A reward model of yours (method `reward`), or a classifier's folder with one label: its number, without bounds."
    )
    type: Literal["reward_model"] = "reward_model"
    path: str = setting(title="Reward model", holds="run")
    """A run of the method `reward`, or a folder or Hub id of a ...ForSequenceClassification model with one label. On the
    run's own base it shares its weights.
    """


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
    | ModelReward
    | RewardModelReward,
    Field(discriminator="type"),
]


def computes_here(values: Mapping[str, object]) -> bool:
    """Whether a reward of these settings, which may be at fault, asks a model on this machine."""
    match values.get("type"):
        case "reward_model":
            return True
        case "model":
            return not values.get("base_url")
        case _:
            return False


REWARD_CONFIGS: dict[str, type[RewardConfig]] = configs_by_type(AnyReward)
