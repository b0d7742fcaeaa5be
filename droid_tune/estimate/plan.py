"""How much runs at once, and by which backward pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

from droid_tune import words


@dataclass(frozen=True)
class MemoryPlan:
    """Rows decoded together, rows per training micro-batch, tokens per head chunk, and the backward pass: what the engine
    keeps to and the estimate reckons with."""

    decode_rows: int = 32
    train_rows: int = 8
    head_tokens: int = 256
    #: keep a micro-batch's activations between forward and backward (faster), or run the forward again (smaller)
    hold: bool = True
    #: the same for the prompt, whose backward pass comes after all of its group's micro-batches
    hold_prompt: bool = False
    #: back-propagate one layer at a time: least memory
    layer_wise: bool = False
    #: back-propagate through so many tokens of a row at a time; 0: through all of them
    segment_tokens: int = 0
    #: run prompt and completion apart, the prompt once per group
    share_prompts: bool = True
    #: put short rows into one sequence (they do not see each other) where no prompt is shared
    pack_rows: bool = False
    #: while completions are sampled, put the adapters into copies of their weights: three products a layer become one
    merge: bool = False
    #: with that: decode by few operations a token, where each row may have a copy of its prompt
    joins: bool = False
    prefill_tokens: int = 512
    #: tokens of short prompts that are read in one pass, padding included; 0: each prompt by itself
    joined_tokens: int = 0
    #: tokens of whole rows, with their padding, that keep the device busy; 0: not known
    busy_tokens: int = 0
    #: tokens of the longest row, with its padding, that `train_rows` were reckoned with; 0: not known
    row_tokens: int = 0
    #: held-out rows that are answered together; 0: as many as are decoded in a rollout
    evaluate_rows: int = 0
    estimated_bytes: int = 0
    note: str = ""

    @property
    def score_rows(self) -> int:
        """Rows scored together: without a backward pass only one layer's activations exist at a time."""
        return self.train_rows * (1 if self.segment_tokens else 2 if self.layer_wise else 4)

    @property
    def evaluating(self) -> MemoryPlan:
        """The plan by which held-out rows are answered."""
        return replace(self, decode_rows=max(self.decode_rows, self.evaluate_rows))

    @property
    def path(self) -> str:
        """The backward pass by name."""
        if self.pack_rows:
            return "packed rows"
        if not self.share_prompts:
            way = "whole rows"
        else:
            way = "layer by layer" if self.layer_wise else "two-stage"
        return f"{way}, {self.segment_tokens} tokens at a time" if self.segment_tokens else way

    @property
    def sentence(self) -> str:
        """For the window and the log: "8 rows at a time, two-stage, est. 3.1 GB"."""
        said = f"{words.count(self.train_rows, 'row')} at a time, {self.path}"
        if self.estimated_bytes:
            said += f", est. {words.size(self.estimated_bytes)}"
        return f"{said} ({self.note})" if self.note else said
