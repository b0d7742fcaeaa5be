"""Turns handed to the environment, and what its answers make of the rows: the next turn, or the episode's end."""

from __future__ import annotations

import time

from droid_tune.data.lens import require_known
from droid_tune.data.rendering.thinking import opened_mark
from droid_tune.environments.episode import Answered, Ending
from droid_tune.errors import UserError
from droid_tune.rollout.decoding import completion_text
from droid_tune.rollout.episodes.episode_row import EpisodeRow
from droid_tune.rollout.episodes.game import Game
from droid_tune.rollout.episodes.joining import Joining
from droid_tune.rollout.episodes.tally import Tally


class RowAnswers:
    """Asks for answers and takes them in."""

    def __init__(self, game: Game, tally: Tally) -> None:
        self._game, self._tally = game, tally

    def ask(self, row: EpisodeRow) -> None:
        """Hand the turn that a row has ended to the environment."""
        assert row.recorder is not None
        assert row.episode is not None
        row.text = row.opens + completion_text(self._game.policy, row.tokens[row.begun :])
        row.recorder.wrote(row.begun, len(row.tokens))
        row.asked = row.episode.cut(row.text, "tokens") if row.ending else row.episode.step(row.text)
        row.asked_at, row.seconds = time.perf_counter(), 0.0
        self.look(row)  # what is there at once has taken no time, however long the row waits for its turn

    def look(self, row: EpisodeRow) -> None:
        """When the answer came, for people; nothing that is sampled depends on it."""
        if not row.seconds and row.asked is not None and row.asked.ready():
            row.seconds = time.perf_counter() - row.asked_at

    def came_back(self, row: EpisodeRow) -> Joining | None:
        """A row with its environment's answer, ready to write the next turn; None where its episode is over.

        Raises UserError where the template cannot show the answer and the run refuses such episodes, and Stopped.
        """
        answer, seconds = self._answer_of(row)
        assert row.recorder is not None
        row.recorder.answered(row.text, answer, seconds)
        if answer.ending is not None or row.ending is not None:
            self._over(row, answer.ending or row.ending or "tokens")
            return None
        try:
            added = self._added(row, answer)
        except UserError as error:
            if self._game.limits.history == "refuse":
                raise
            self._tally.finish(row, row.recorder.finished("failed", failed=error.message))
            return None
        row.recorder.follows(answer, len(added), seconds)
        if len(row.tokens) + len(added) >= self._game.sampling.max_completion_length:
            self._cut(row)
            return None
        unread = row.tokens[row.fed :] + added
        row.read(added)
        return Joining(row.index, row.prompt, unread)

    def _answer_of(self, row: EpisodeRow) -> tuple[Answered, float]:
        """The answer, waited for, and the seconds that it took."""
        assert row.asked is not None
        self._tally.wait_for(row.asked)
        answer = row.asked.result()
        return answer, answer.seconds or row.seconds or time.perf_counter() - row.asked_at

    def _added(self, row: EpisodeRow, answer: Answered) -> list[int]:
        """The tokens of an answer behind the row's own. Raises UserError where the template cannot show it."""
        assert row.recorder is not None
        assert row.adder is not None
        before = row.recorder.messages
        turns = [*before, *(turn.message() for turn in answer.turns)]
        found = row.adder.added(turns, len(before), ended=row.tokens[-1] in self._game.stops)
        require_known(found.tokens, self._game.policy.embedding_rows)
        row.opens = opened_mark(found.text)
        return found.tokens

    def _cut(self, row: EpisodeRow) -> None:
        """End an episode in which no token of another turn has room."""
        assert row.episode is not None
        row.asked, row.asked_at, row.seconds = row.episode.cut("", "tokens"), time.perf_counter(), 0.0
        self._over(row, "tokens", self._answer_of(row)[0])

    def _over(self, row: EpisodeRow, ending: Ending, last: Answered | None = None) -> None:
        assert row.recorder is not None
        self._tally.finish(row, row.recorder.finished(ending, last))
