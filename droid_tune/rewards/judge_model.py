"""Another model as the judge: one that runs here, or an OpenAI-compatible server of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from droid_tune.config.asking.reaching_out import plain_http
from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.rewards import ModelReward
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.templates import render_prompt
from droid_tune.rewards.base import Failed, Outcome, Reward, RewardError, Sample, reference_texts
from droid_tune.rewards.judges.endpoint import Endpoint, EndpointError, check_key_variable
from droid_tune.rewards.judges.in_flight import answers
from droid_tune.rewards.judges.judging import question, read_score

#: what to do about a server that does not answer
ANSWER = "see that the judge's server runs, and that its address, model and key are right,"
_MOST_REMEMBERED = 50_000
_LONGEST_REPLY_TOKENS = 512
_ROWS_AT_ONCE = 8


class Judge(Protocol):
    """Answers questions; a question without an answer gives a Failed."""

    def replies(self, questions: Sequence[str]) -> Sequence[str | Failed]: ...

    def close(self) -> None: ...


class ModelJudged(Reward):
    """The judge's score as a share of the best one, 0 to 1. The same question is asked once in a run."""

    def __init__(self, config: ModelReward, judge: Judge, caution: str = "") -> None:
        self._config = config
        self._judge = judge
        self._known: dict[str, float] = {}
        self.caution = caution

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        asked = [self._question(sample) for sample in samples]
        texts = [one for one in asked if isinstance(one, str)]
        failures = self._ask(list(dict.fromkeys(text for text in texts if text not in self._known)))
        return [
            one if isinstance(one, Failed) else failures[one] if one in failures else self._known[one]
            for one in asked
        ]

    def _question(self, sample: Sample) -> str | Failed:
        try:
            reference = " or ".join(reference_texts(sample.row)) or None
        except RewardError as error:
            return error.failed
        config = self._config
        return question(sample.prompt, sample.completion, reference, config.rubric, config.max_score)

    def _ask(self, questions: Sequence[str]) -> dict[str, Failed]:
        """Remember the scores; return the questions that got none."""
        if len(self._known) > _MOST_REMEMBERED:
            self._known.clear()
        failures: dict[str, Failed] = {}
        for text, reply in zip(questions, self._judge.replies(questions) if questions else (), strict=True):
            if isinstance(reply, Failed):
                failures[text] = reply
                continue
            try:
                self._known[text] = read_score(reply, self._config.max_score)
            except ValueError as error:
                failures[text] = Failed(str(error), self._config.model)
        return failures

    def close(self) -> None:
        self._judge.close()


class RemoteJudge:
    """Several questions in flight at once."""

    def __init__(self, endpoint: Endpoint, concurrency: int, watch: Watch = UNWATCHED) -> None:
        self._endpoint, self._concurrency, self._watch = endpoint, concurrency, watch

    def replies(self, questions: Sequence[str]) -> Sequence[str | Failed]:
        """A reply or a failure for each question, several asked at a time. Raises Stopped."""
        return answers(
            questions,
            self._reply,
            at_once=self._concurrency,
            watch=self._watch,
            suspended=self._endpoint.awake_again,
        )

    def _reply(self, text: str) -> str | Failed:
        try:
            return self._endpoint.reply(text)
        except EndpointError as error:
            return Failed(str(error), self._endpoint.host, ANSWER)

    def close(self) -> None:
        """Waits for no request that is under way."""


class LocalJudge:
    """A chat model in this process, greedy. It takes memory beside the model that is trained."""

    def __init__(self, model: str, watch: Watch = UNWATCHED) -> None:
        from droid_tune.estimate.plan import MemoryPlan
        from droid_tune.model.loading import load_policy
        from droid_tune.rollout.generate import generate

        # A fresh adapter changes nothing; this is the smallest one.
        self._policy = load_policy(
            model, AdapterConfig(rank=1, layers=1), needs_chat_template=True, watch=watch
        )
        self._plan = MemoryPlan(decode_rows=_ROWS_AT_ONCE)
        self._watch = watch
        self._generate: Callable[..., Any] = generate

    def replies(self, questions: Sequence[str]) -> Sequence[str | Failed]:
        """A greedy reply for each question, sampled together."""
        tokenizer = self._policy.tokenizer
        prompts = [render_prompt(tokenizer, {"prompt": text}).tokens for text in questions]
        rollout = self._generate(
            self._policy,
            prompts,
            group_size=1,
            sampling=SamplingConfig(temperature=0.0, max_completion_length=_LONGEST_REPLY_TOKENS),
            seed=0,
            plan=self._plan,
            watch=self._watch,
        )
        return list(rollout.texts)

    def close(self) -> None:
        """The weights go with the judge."""


def model_reward(config: ModelReward, watch: Watch = UNWATCHED) -> ModelJudged:
    """Raises UserError for a judge that cannot be loaded or a base URL that is none."""
    if config.base_url:
        check_key_variable(config.api_key_variable, "rewards")
    else:
        return ModelJudged(config, LocalJudge(config.model, watch))
    endpoint = Endpoint(
        config.base_url,
        config.model,
        key_variable=config.api_key_variable,
        timeout_s=config.timeout_seconds,
        retries=config.retries,
    )
    unsafe = plain_http(config.base_url)
    caution = f"Prompts and completions are sent to {endpoint.host} to be judged." + (
        f" It {unsafe}." if unsafe else ""
    )
    return ModelJudged(config, RemoteJudge(endpoint, config.concurrency, watch), caution)
