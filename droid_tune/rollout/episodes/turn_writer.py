"""The model's side of episodes: one token of every row of the batch at a time, and rows that leave it and come (back)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mlx.core as mx
import numpy as np

from droid_tune.rollout.decoding import ends_in_stop_string
from droid_tune.rollout.episodes.episode_row import EpisodeRow
from droid_tune.rollout.episodes.game import Game
from droid_tune.rollout.episodes.joining import Joining
from droid_tune.rollout.episodes.row_decoders import RowDecoder
from droid_tune.rollout.episodes.turn_choice import TurnChooser
from droid_tune.rollout.samplers import Draw


class TurnWriter:
    """The rows that are being written, and the draw of their next tokens; `turn_over` hears of a row that ends its turn,
    `on_token` of each token of a row."""

    def __init__(
        self,
        game: Game,
        rows: Sequence[EpisodeRow],
        decoder: RowDecoder,
        turn_over: Callable[[EpisodeRow], None],
        on_token: Callable[[int, int], None] | None = None,
    ) -> None:
        self._on_token = on_token
        self._game, self._rows, self._decoder, self._turn_over = game, rows, decoder, turn_over
        self._stops = game.stops
        self._chooser: TurnChooser | None = None
        self._past: set[int] = set()  # rows of the batch whose turn is over
        self._now: Draw | None = None

    @property
    def batch(self) -> int:
        """How many rows are decoded together."""
        return len(self._decoder.rows)

    @property
    def past(self) -> int:
        """How many of these have ended their turn."""
        return len(self._past)

    @property
    def filters(self) -> bool:
        """Whether tokens were drawn from another distribution than softmax(logits / temperature)."""
        return self._chooser is not None and self._chooser.filters

    # -- one token of every row ------------------------------------------------------------------------

    def write(self) -> None:
        """Every row whose turn goes on gets the token that was drawn for it, and the next ones are drawn."""
        now, rows = self._now, list(self._decoder.rows)
        assert now is not None
        ahead = None
        if self._decoder.looks_ahead:
            ahead = self._chosen(self._decoder.step(now.tokens), rows, ahead=1)
            mx.async_eval(*ahead)
        self._take(now, rows)
        if ahead is None:
            self.leave()
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
            keys, seed = range(len(self._rows)), self._game.seeding.tokens
            self._chooser = TurnChooser(self._game.sampling, seed, keys, vocabulary, sorted(self._stops))
        return self._chooser

    def _take(self, now: Draw, rows: Sequence[int]) -> None:
        """One token for every row whose turn goes on."""
        tokens, logprobs = np.asarray(now.tokens).tolist(), np.asarray(now.logprobs).tolist()
        drawn = np.asarray(now.drawn).tolist()
        for number, token, logprob, after in zip(rows, tokens, logprobs, drawn, strict=True):
            if number in self._past:
                continue
            row = self._rows[number]
            row.write(token, logprob, after)
            if self._on_token is not None:
                self._on_token(number, token)
            row.fed = len(row.tokens) - (0 if self._decoder.looks_ahead else 1)
            if self._is_over(row, token):
                self._past.add(number)
                self._turn_over(row)

    def _is_over(self, row: EpisodeRow, token: int) -> bool:
        sampling, written = self._game.sampling, row.tokens[row.begun :]
        if token in self._stops or ends_in_stop_string(self._game.policy, sampling, written):
            return True
        longest = sampling.max_completion_length
        if len(written) >= self._game.limits.max_turn_tokens or len(row.tokens) >= longest:
            row.ending = "tokens"
            return True
        return False

    # -- the batch rearranged --------------------------------------------------------------------------

    def leave(self) -> None:
        """Take the rows whose turn is over out of the batch."""
        if not self._past:
            return
        rows = list(self._decoder.rows)
        gone = [row for row in rows if row in self._past]
        self._decoder.leave(gone, [self._rows[row].fed for row in gone])
        places = [place for place, row in enumerate(rows) if row not in self._past]
        self._past.clear()
        if self._now is not None and self._decoder.looks_ahead:
            kept = mx.array(np.asarray(places, np.int64))
            self._now = Draw(*(array[kept] for array in self._now)) if places else None

    def join(self, joining: Sequence[Joining]) -> None:
        """Put rows into the batch, and draw the first token of the turn that each begins."""
        before, stay = self._now, self.batch
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
