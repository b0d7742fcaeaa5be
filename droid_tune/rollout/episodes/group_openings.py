"""How the episodes of a group begin: their openings, the prompt that they have in common, and which cannot begin."""

from __future__ import annotations

from collections.abc import Sequence

from droid_tune.data.formats.base import Row
from droid_tune.data.lens import require_known
from droid_tune.data.rendering.templates.added_turns import TurnAdder
from droid_tune.data.rendering.thinking import opened_mark
from droid_tune.data.templates import Prompt, render_prompt
from droid_tune.environments.episode import EpisodeError
from droid_tune.environments.opening_prompt import as_read
from droid_tune.rollout.episodes.episode_row import EpisodeRow
from droid_tune.rollout.episodes.game import Game
from droid_tune.rollout.episodes.joining import Joining, Prompts
from droid_tune.rollout.episodes.tally import Tally
from droid_tune.rollout.episodes.trajectory import Recorder, Trajectory


class GroupOpenings:
    """Opens groups when the first of their rows is wanted, and asks for the next group's openings ahead."""

    def __init__(self, game: Game, rows: Sequence[EpisodeRow], prompts: Prompts, tally: Tally) -> None:
        self._game, self._rows, self._prompts, self._tally = game, rows, prompts, tally
        self._prompt_tokens: dict[int, list[int]] = {}

    @property
    def prompt_tokens(self) -> list[list[int]]:
        """Of each group the tokens that its rows' own begin behind; all groups must have been opened."""
        return [self._prompt_tokens[prompt] for prompt in range(len(self._game.data))]

    def begun(self, row: EpisodeRow) -> Joining | None:
        """A fresh row, ready to write its first turn; None where its episode could not begin.

        Raises UserError where the template refuses an opening, and Stopped.
        """
        if row.prompt not in self._prompt_tokens:
            self._open(row.prompt)
        if row.episode is None or row.trajectory is not None:
            return None
        self._ask(row.prompt + 1)
        shared = self._prompt_tokens[row.prompt]
        members = [one.index for one in self._group(row.prompt) if one.trajectory is None]
        self._tally.read += len(shared) if self._prompts.use(row.prompt, shared, members) else 0
        return Joining(row.index, row.prompt, list(row.tokens))

    def _group(self, prompt: int) -> Sequence[EpisodeRow]:
        size = self._game.group_size
        return self._rows[prompt * size : (prompt + 1) * size]

    def _ask(self, prompt: int) -> None:
        """Ask for the openings of a group, before they are needed."""
        for row in self._group(prompt):
            if row.opening is None:
                row.opening = self._game.environment.open(self._game.data[prompt], row.seeds)

    def _open(self, prompt: int) -> None:
        """Open the episodes of a group: what their prompts have in common is read once, the rest is each one's own."""
        self._ask(prompt)
        openings = self._opened(prompt)
        common = _common(list(openings.values()))
        for index, tokens in openings.items():
            row = self._rows[index]
            row.history = common
            row.read(tokens[len(common) :])
            if not self._has_room(row, len(tokens)):
                why = f"the episode's prompt has {len(tokens):,} tokens, which {self._no_room()}"
                self._tally.finish(row, Trajectory(cut="failed", failed=why))
        self._prompt_tokens[prompt] = common or self._rendered(self._game.data[prompt]).tokens

    def _opened(self, prompt: int) -> dict[int, list[int]]:
        """The tokens of each opening of a group, by row; rows whose episode cannot begin are over."""
        openings: dict[int, list[int]] = {}
        for row in self._group(prompt):
            try:
                openings[row.index] = self._opening_of(row, self._game.data[prompt])
            except EpisodeError as error:
                self._tally.finish(row, Trajectory(cut="failed", failed=f"the episode {error}"))
        return openings

    def _has_room(self, row: EpisodeRow, opening: int) -> bool:
        """Whether an episode fits behind its opening of so many tokens."""
        most, longest = self._game.sampling.max_completion_length, self._game.limits.longest
        return len(row.tokens) < most and (longest is None or opening + most <= longest)

    def _no_room(self) -> str:
        """What is wrong with a prompt that is too long, and where to make room."""
        most, longest = self._game.sampling.max_completion_length, self._game.limits.longest
        if longest is None:
            return "leaves no room for it"
        return (
            f"leaves no room for {most:,} tokens of the episode: both together may have {longest:,} "
            "(`training.max_seq_length`, or the model's own length where that is less)"
        )

    def _opening_of(self, row: EpisodeRow, data: Row) -> list[int]:
        """Wait for an opening; its tokens. Raises EpisodeError, and UserError where the template refuses it."""
        game = self._game
        assert row.opening is not None
        self._tally.wait_for(row.opening)
        row.episode = row.opening.result()
        row.recorder = Recorder(row.episode.opening)
        shown = as_read(game.environment, data, row.recorder.messages)
        row.adder = TurnAdder(game.policy.tokenizer, shown, game.options, game.limits.history)
        prompt = self._rendered(shown)
        row.opens = opened_mark(prompt.text)
        require_known(prompt.tokens, game.policy.embedding_rows)
        return prompt.tokens

    def _rendered(self, data: Row) -> Prompt:
        return render_prompt(self._game.policy.tokenizer, data, self._game.options)


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
