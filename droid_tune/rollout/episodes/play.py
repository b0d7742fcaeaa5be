"""Episodes for a batch of rows: the model's turns decoded together, the environment's answers waited for beside it.

Which rows are decoded together follows from what they wrote alone, never from how soon an environment answers: floating
point numbers depend on who shares a batch, and a rollout that is sampled again (a resume, a second run) must be the same to
the last bit. So a row that has ended its turn waits in a queue in the order in which turns ended, and the oldest comes back
as soon as more than `waiting_share` of the rows in flight wait; where its answer is not there yet, all wait for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.lens import require_known
from droid_tune.data.rendering.added_turns import TurnAdder
from droid_tune.data.templates import DEFAULT, TemplateOptions, render_prompt
from droid_tune.environments.episode import (
    Answered,
    Ending,
    Environment,
    EpisodeError,
    Handle,
    Seeds,
)
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.adapters import adapter_merged
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.policy import Policy
from droid_tune.rollout.decoding import completion_text, ending_tokens, ends_in_stop_string
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, EpisodeRow, Seeding
from droid_tune.rollout.episodes.joining import Joining, Prompts
from droid_tune.rollout.episodes.row_decoders import row_decoder
from droid_tune.rollout.episodes.trajectory import Recorder, Trajectory
from droid_tune.rollout.episodes.turn_choice import TurnChooser
from droid_tune.rollout.rollout import Rollout
from droid_tune.rollout.samplers import Draw

#: between two looks at an answer that is waited for
_LOOK_S = 0.002
#: rows come back in portions of this share of the rows in flight: every portion rearranges the batch
_PORTION = 0.125


def play(
    policy: Policy,
    environment: Environment,
    rows: Sequence[Row],
    *,
    group_size: int,
    sampling: SamplingConfig,
    limits: EpisodeLimits,
    seeding: Seeding,
    plan: MemoryPlan,
    options: TemplateOptions = DEFAULT,
    watch: Watch = UNWATCHED,
    on_end: Callable[[int, Trajectory], None] | None = None,
) -> Rollout:
    """Play `group_size` episodes of each row, greedily at temperature 0; `on_end` hears of each as it ends.

    The rollout's `trajectories` say how each went; its `completion_mask` is 1 on what the model wrote, 0 on what the
    environment added. Raises UserError where the template cannot show the episodes, and Stopped where `watch` ends it.
    """
    table = _Table(
        policy, environment, rows, group_size, sampling, limits, seeding, plan, options, watch, on_end
    )
    policy.model.eval()
    merged = adapter_merged(policy.model, policy.adapted if plan.merge else ())
    try:
        with own_kernels(), merged:
            table.play()
    finally:
        table.close()
    return table.rollout()


class _Table:
    """All episodes of one rollout: which are being written, which wait, which are over."""

    def __init__(
        self,
        policy: Policy,
        environment: Environment,
        data: Sequence[Row],
        group_size: int,
        sampling: SamplingConfig,
        limits: EpisodeLimits,
        seeding: Seeding,
        plan: MemoryPlan,
        options: TemplateOptions,
        watch: Watch,
        on_end: Callable[[int, Trajectory], None] | None,
    ) -> None:
        self._policy, self._environment, self._data = policy, environment, data
        self._size, self._sampling, self._limits, self._plan = group_size, sampling, limits, plan
        self._options, self._watch, self._on_end = options, watch, on_end
        self._stops = ending_tokens(policy, sampling)
        numbers = list(seeding.rows) or list(range(len(data)))
        self._rows = [
            EpisodeRow(
                place * group_size + member,
                place,
                Seeds(seeding.run, seeding.rollout, number, member),
            )
            for place, number in enumerate(numbers)
            for member in range(group_size)
        ]
        self._prompt_tokens: dict[int, list[int]] = {}
        self._prompts = Prompts(policy, plan.prefill_tokens)
        self._decoder = row_decoder(policy, self._prompts, plan.prefill_tokens)
        self._chooser: TurnChooser | None = None
        self._seed = seeding.tokens
        self._fresh = deque(range(len(self._rows)))
        self._waiting: deque[int] = deque()
        self._ended: set[int] = set()  # rows of the batch whose turn is over
        self._now: Draw | None = None
        self._done = 0
        self.read = 0  # tokens of prompts and environments that the model has read
        self.stood = 0.0  # seconds in which all waited for an environment

    # -- the whole ---------------------------------------------------------------------------------

    def play(self) -> None:
        """Until every episode is over."""
        self._watch.tell(0, len(self._rows))
        ticks = 0
        while self._done < len(self._rows):
            self._turn_over()
            if not self._decoder.rows:
                continue
            self._watch.tell_token(ticks, self._sampling.max_completion_length)
            ticks += 1
            self._write()
            self._look()

    def _look(self) -> None:
        """When each answer came, for people; nothing that is sampled depends on it."""
        for number in self._waiting:
            row = self._rows[number]
            if not row.seconds and row.asked is not None and row.asked.ready():
                row.seconds = time.perf_counter() - row.asked_at

    def close(self) -> None:
        """Ends the episodes that are not over."""
        for row in self._rows:
            if row.episode is not None:
                row.episode.close()

    # -- one token of every row ------------------------------------------------------------------------

    def _write(self) -> None:
        now, rows = self._now, list(self._decoder.rows)
        assert now is not None
        ahead = None
        if self._decoder.looks_ahead:
            ahead = self._chosen(self._decoder.step(now.tokens), rows, ahead=1)
            mx.async_eval(*ahead)
        self._take(now, rows)
        if ahead is None:
            self._leave()
            going_on = set(self._decoder.rows)
            ahead = self._stepped(now, rows, [place for place, row in enumerate(rows) if row in going_on])
        self._now = ahead

    def _stepped(self, now: Draw, rows: list[int], places: list[int]) -> Draw | None:
        """Without tokens run ahead: the rows that go on, one token further."""
        if not places:
            return None
        kept = [rows[place] for place in places]
        logits = self._decoder.step(now.tokens[mx.array(np.asarray(places))])
        for row in kept:
            self._rows[row].fed = len(self._rows[row].tokens)
        return self._chosen(logits, kept, ahead=0)

    def _chosen(self, logits: mx.array, rows: Sequence[int], *, ahead: int) -> Draw:
        chooser = self._made_chooser(int(logits.shape[-1]))
        return chooser.choose(logits, rows, [len(self._rows[row].tokens) + ahead for row in rows])

    def _made_chooser(self, vocabulary: int) -> TurnChooser:
        if self._chooser is None:
            keys = range(len(self._rows))
            self._chooser = TurnChooser(self._sampling, self._seed, keys, vocabulary, sorted(self._stops))
        return self._chooser

    def _take(self, now: Draw, rows: Sequence[int]) -> None:
        """One token for every row whose turn goes on."""
        tokens, logprobs = np.asarray(now.tokens).tolist(), np.asarray(now.logprobs).tolist()
        drawn = np.asarray(now.drawn).tolist()
        for number, token, logprob, after in zip(rows, tokens, logprobs, drawn, strict=True):
            if number in self._ended:
                continue
            row = self._rows[number]
            row.write(token, logprob, after)
            row.fed = len(row.tokens) - (0 if self._decoder.looks_ahead else 1)
            if self._is_over(row, token):
                self._ended.add(number)
                self._ask(row)

    def _is_over(self, row: EpisodeRow, token: int) -> bool:
        written = row.tokens[row.begun :]
        if token in self._stops or ends_in_stop_string(self._policy, self._sampling, written):
            return True
        longest = self._sampling.max_completion_length
        if len(written) >= self._limits.max_turn_tokens or len(row.tokens) >= longest:
            row.ending = "tokens"
            return True
        return False

    def _ask(self, row: EpisodeRow) -> None:
        """Hand a turn to the environment; it joins the queue of those that wait."""
        assert row.recorder is not None
        assert row.episode is not None
        row.text = completion_text(self._policy, row.tokens[row.begun :])
        row.recorder.wrote(row.begun, len(row.tokens))
        row.asked = row.episode.cut(row.text, "tokens") if row.ending else row.episode.step(row.text)
        row.asked_at, row.seconds = time.perf_counter(), 0.0
        self._waiting.append(row.index)

    # -- who leaves, who comes back ---------------------------------------------------------------------

    def _turn_over(self) -> None:
        """Take rows whose turn is over out of the batch, and bring others in, where it is time for that."""
        writing = len(self._decoder.rows) - len(self._ended)
        flight = writing + len(self._waiting)
        room = self._plan.decode_rows - flight
        coming = min(len(self._fresh), max(0, room)) + self._due(flight)
        if (
            writing
            and coming < max(1, int(_PORTION * flight))
            and len(self._ended) < 0.25 * len(self._decoder.rows)
        ):
            return
        self._leave()
        joining = self._returning()
        if joining:
            self._join(joining)

    def _due(self, flight: int) -> int:
        return max(0, len(self._waiting) - int(self._limits.waiting_share * flight))

    def _leave(self) -> None:
        if not self._ended:
            return
        rows = list(self._decoder.rows)
        gone = [row for row in rows if row in self._ended]
        self._decoder.leave(gone, [self._rows[row].fed for row in gone])
        places = [place for place, row in enumerate(rows) if row not in self._ended]
        self._ended.clear()
        if self._now is not None and self._decoder.looks_ahead:
            kept = mx.array(np.asarray(places, np.int64))
            self._now = Draw(*(array[kept] for array in self._now)) if places else None

    def _returning(self) -> list[Joining]:
        """The rows that come into the batch now: the oldest of those that wait, then fresh ones while there is room."""
        joining: list[Joining] = []
        while True:
            writing = len(self._decoder.rows) + len(joining)
            flight = writing + len(self._waiting)
            if self._waiting and (self._due(flight) or not (writing or self._fresh)):
                came = self._came_back(self._rows[self._waiting.popleft()])
            elif self._fresh and flight < self._plan.decode_rows:
                came = self._begun(self._rows[self._fresh.popleft()])
            elif self._waiting and not writing:
                came = self._came_back(self._rows[self._waiting.popleft()])
            else:
                return joining
            joining += [came] if came is not None else []

    def _join(self, joining: list[Joining]) -> None:
        before = self._now
        stay = len(self._decoder.rows)
        self.read += sum(len(one.tokens) for one in joining)
        logits = self._decoder.join(joining)
        rows = list(self._decoder.rows[stay:])
        for one in joining:
            self._rows[one.row].fed = len(self._rows[one.row].tokens)
        self._made_chooser(int(logits.shape[-1])).remember(
            rows, [self._rows[row].history + self._rows[row].tokens for row in rows]
        )
        drawn = self._chosen(logits, rows, ahead=0)
        pairs = [drawn] if before is None else [before, drawn]
        self._now = Draw(*(mx.concatenate(list(arrays)) for arrays in zip(*pairs, strict=True)))

    # -- beginnings ----------------------------------------------------------------------------------------

    def _begun(self, row: EpisodeRow) -> Joining | None:
        """A fresh row, ready to write its first turn; None where its episode could not begin."""
        if row.prompt not in self._prompt_tokens:
            self._open_group(row.prompt)
        if row.episode is None or row.trajectory is not None:
            return None
        self._open_ahead(row.prompt + 1)
        shared = self._prompt_tokens[row.prompt]
        members = [one.index for one in self._group(row.prompt) if one.trajectory is None]
        self.read += len(shared) if self._prompts.use(row.prompt, shared, members) else 0
        return Joining(row.index, row.prompt, list(row.tokens))

    def _group(self, prompt: int) -> list[EpisodeRow]:
        return self._rows[prompt * self._size : (prompt + 1) * self._size]

    def _open_ahead(self, prompt: int) -> None:
        """Ask for the openings of a group before they are needed."""
        for row in self._group(prompt):
            if row.opening is None:
                row.opening = self._environment.open(self._data[prompt], row.seeds)

    def _open_group(self, prompt: int) -> None:
        """Open the episodes of a group: what their prompts have in common is read once, the rest is each one's own."""
        self._open_ahead(prompt)
        openings: dict[int, list[int]] = {}
        for row in self._group(prompt):
            try:
                openings[row.index] = self._opened(row, self._data[prompt])
            except EpisodeError as error:
                self._finish(row, Trajectory(cut="failed", failed=f"the episode {error}"))
        common = _common(list(openings.values()))
        longest = self._limits.longest
        for index, tokens in openings.items():
            row = self._rows[index]
            row.history = common
            row.read(tokens[len(common) :])
            whole = len(tokens) + self._sampling.max_completion_length
            if (longest is not None and whole > longest) or len(
                row.tokens
            ) >= self._sampling.max_completion_length:
                why = f"the episode's prompt has {len(tokens):,} tokens, which leaves no room for it"
                self._finish(row, Trajectory(cut="failed", failed=why))
        self._prompt_tokens[prompt] = (
            common or render_prompt(self._policy.tokenizer, self._data[prompt], self._options).tokens
        )

    def _opened(self, row: EpisodeRow, data: Row) -> list[int]:
        """Wait for an opening; its tokens. Raises EpisodeError, and UserError where the template refuses it."""
        assert row.opening is not None
        self._wait(row.opening)
        row.episode = row.opening.result()
        row.recorder = Recorder(row.episode.opening)
        shown = self._shown(data, row.recorder.messages)
        row.adder = TurnAdder(self._policy.tokenizer, shown, self._options, self._limits.history)
        tokens = render_prompt(self._policy.tokenizer, shown, self._options).tokens
        require_known(tokens, self._policy.embedding_rows)
        return tokens

    def _shown(self, data: Row, messages: Sequence[Mapping[str, Any]]) -> Row:
        """The row as the template reads it: the opening in place of its prompt, and the environment's tools."""
        shown: dict[str, Any] = {"prompt": list(messages)}
        if self._environment.tools:
            shown["tools"] = list(self._environment.tools)
        if data.get("chat_template_kwargs"):
            shown["chat_template_kwargs"] = data["chat_template_kwargs"]
        return shown

    # -- answers -------------------------------------------------------------------------------------------

    def _came_back(self, row: EpisodeRow) -> Joining | None:
        """A row with its environment's answer, ready to write the next turn; None where its episode is over."""
        answer, seconds = self._answer_of(row)
        assert row.recorder is not None
        row.recorder.answered(row.text, answer, seconds)
        if answer.ending is not None or row.ending is not None:
            self._over(row, answer.ending or row.ending or "tokens")
            return None
        try:
            added = self._added(row, answer)
        except UserError as error:
            if self._limits.history == "refuse":
                raise
            self._finish(row, row.recorder.finished("failed", failed=error.message))
            return None
        room = self._sampling.max_completion_length - len(row.tokens) - len(added)
        row.recorder.follows(answer, len(added), seconds)
        if room < 1:
            assert row.episode is not None
            row.asked, row.asked_at, row.seconds = row.episode.cut("", "tokens"), time.perf_counter(), 0.0
            self._over(row, "tokens", self._answer_of(row)[0])
            return None
        unread = row.tokens[row.fed :] + added
        row.read(added)
        return Joining(row.index, row.prompt, unread)

    def _added(self, row: EpisodeRow, answer: Answered) -> list[int]:
        assert row.recorder is not None
        assert row.adder is not None
        before = row.recorder.messages
        turns = [*before, *(turn.message() for turn in answer.turns)]
        found = row.adder.added(turns, len(before), ended=row.tokens[-1] in self._stops)
        require_known(found.tokens, self._policy.embedding_rows)
        return found.tokens

    def _answer_of(self, row: EpisodeRow) -> tuple[Answered, float]:
        assert row.asked is not None
        self._wait(row.asked)
        answer = row.asked.result()
        return answer, answer.seconds or row.seconds or time.perf_counter() - row.asked_at

    def _wait(self, handle: Handle[Any]) -> None:
        start = time.perf_counter()
        while not handle.ready():
            self._watch.pause_point()
            time.sleep(_LOOK_S)
        self.stood += time.perf_counter() - start

    def _over(self, row: EpisodeRow, ending: Ending, last: Answered | None = None) -> None:
        assert row.recorder is not None
        self._finish(row, row.recorder.finished(ending, last))

    def _finish(self, row: EpisodeRow, trajectory: Trajectory) -> None:
        row.trajectory = trajectory
        if row.episode is not None:
            row.episode.close()
            row.episode = None
        self._decoder.forget(row.index)
        self._prompts.release(row.prompt, row.index)
        self._done += 1
        self._watch.tell(self._done, len(self._rows))
        if self._on_end is not None:
            self._on_end(row.index, trajectory)

    # -- what came of it -----------------------------------------------------------------------------------

    def rollout(self) -> Rollout:
        """The rollout of all episodes."""
        length = max(1, *(len(row.tokens) for row in self._rows))
        shape = (len(self._rows), length)
        tokens, mask = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        logprobs, drawn = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for row in self._rows:
            count = len(row.tokens)
            tokens[row.index, :count] = row.tokens
            mask[row.index, :count] = row.mine
            logprobs[row.index, :count] = row.logprobs
            drawn[row.index, :count] = row.drawn
        trajectories = [row.trajectory or Trajectory() for row in self._rows]
        filters = self._chooser is not None and self._chooser.filters
        return Rollout(
            prompt_tokens=[self._prompt_tokens[prompt] for prompt in range(len(self._data))],
            group_size=self._size,
            tokens=tokens,
            completion_mask=mask,
            sampled_logprobs=logprobs,
            texts=[one.answer for one in trajectories],
            finish_reasons=[
                "length" if one.cut in ("turns", "tokens", "time") else "stop" for one in trajectories
            ],
            drawn_logprobs=drawn if filters else None,
            trajectories=trajectories,
            read_tokens=self.read,
            stood_seconds=self.stood,
        )


def _common(openings: Sequence[Sequence[int]]) -> list[int]:
    """The tokens with which all of them begin."""
    if not openings:
        return []
    shortest = min(openings, key=len)
    same = next(
        (place for place, token in enumerate(shortest) if any(one[place] != token for one in openings)),
        len(shortest),
    )
    return list(shortest[:same])
