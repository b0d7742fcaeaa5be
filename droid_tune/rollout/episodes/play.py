"""Episodes for a batch of rows: the model's turns decoded together, the environment's answers waited for beside it.

How episodes begin is in `group_openings.py`, how their turns are written in `turn_writer.py`, what the environment's
answers make of them in `row_answers.py`; which of them are decoded together, and why, in `row_queue.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.templates import DEFAULT, TemplateOptions
from droid_tune.environments.episode import Environment
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.adapters import adapter_merged
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.policy import Policy
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, EpisodeRow, Seeding
from droid_tune.rollout.episodes.game import Game
from droid_tune.rollout.episodes.group_openings import GroupOpenings
from droid_tune.rollout.episodes.joining import Joining, Prompts
from droid_tune.rollout.episodes.played_rollout import played_rollout
from droid_tune.rollout.episodes.row_answers import RowAnswers
from droid_tune.rollout.episodes.row_decoders import row_decoder
from droid_tune.rollout.episodes.row_queue import RowQueue
from droid_tune.rollout.episodes.tally import Tally
from droid_tune.rollout.episodes.trajectory import Trajectory
from droid_tune.rollout.episodes.turn_writer import TurnWriter
from droid_tune.rollout.rollout import Rollout


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
    on_token: Callable[[int, int], None] | None = None,
) -> Rollout:
    """Play `group_size` episodes of each row, greedily at temperature 0; `on_end` hears of each as it ends, `on_token` of
    each token that the model writes in one of them.

    The rollout's `trajectories` say how each went; its `completion_mask` is 1 on what the model wrote, 0 on what the
    environment added. Raises UserError where the template cannot show the episodes, and Stopped where `watch` ends it.
    """
    game = Game(policy, environment, rows, group_size, sampling, limits, seeding, plan, options)
    table = _Table(game, watch, on_end, on_token)
    merged = adapter_merged(policy.model, policy.adapted if plan.merge else ())
    try:
        with own_kernels(), merged:
            table.play()
    finally:
        table.close()
    return table.rollout()


class _Table:
    """All episodes of one rollout: the batch that is written, and the rows outside of it."""

    def __init__(
        self,
        game: Game,
        watch: Watch,
        on_end: Callable[[int, Trajectory], None] | None,
        on_token: Callable[[int, int], None] | None,
    ) -> None:
        self._watch, self._longest = watch, game.sampling.max_completion_length
        self._rows, self._group_size = game.episode_rows(), game.group_size
        prompts = Prompts(game.policy, game.plan.prefill_tokens)
        decoder = row_decoder(game.policy, prompts, game.plan.prefill_tokens)
        self._queue = RowQueue(len(self._rows), game.plan.decode_rows, game.limits.waiting_share)
        self._tally = Tally(len(self._rows), prompts, decoder, watch, on_end)
        self._groups = GroupOpenings(game, self._rows, prompts, self._tally)
        self._answers = RowAnswers(game, self._tally)
        self._writer = TurnWriter(game, self._rows, decoder, self._turn_over, on_token)

    def play(self) -> None:
        """Until every episode is over."""
        self._tally.tell()
        ticks = 0
        while not self._tally.complete:
            self._rearrange()
            if not self._writer.batch:
                continue
            self._watch.tell_token(ticks, self._longest)
            ticks += 1
            self._writer.write()
            for row in self._queue.waiting:
                self._answers.look(self._rows[row])

    def _turn_over(self, row: EpisodeRow) -> None:
        self._answers.ask(row)
        self._queue.wait(row.index)

    def _rearrange(self) -> None:
        """Take rows whose turn is over out of the batch, and bring others in, where it is time for that."""
        if not self._queue.moves(self._writer.batch, self._writer.past):
            return
        self._writer.leave()
        joining = self._joining()
        if joining:
            self._tally.read += sum(len(one.tokens) for one in joining)
            self._writer.join(joining)

    def _joining(self) -> list[Joining]:
        """The rows that come into the batch now."""
        joining: list[Joining] = []
        while comer := self._queue.next(self._writer.batch + len(joining)):
            row = self._rows[comer.row]
            came = self._groups.begun(row) if comer.fresh else self._answers.came_back(row)
            joining += [came] if came is not None else []
        return joining

    def close(self) -> None:
        """Ends the episodes that are not over."""
        for row in self._rows:
            if row.episode is not None:
                row.episode.close()

    def rollout(self) -> Rollout:
        """The rollout of all episodes."""
        return played_rollout(
            self._rows,
            self._groups.prompt_tokens,
            self._group_size,
            self._tally,
            filters=self._writer.filters,
        )
