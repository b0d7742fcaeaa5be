"""How a config says that weights are packed, for weights that are not here to be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from droid_tune.model_files.config_values import ConfigValues
from droid_tune.model_files.facts import Linear

#: a matrix of a layer by the name under which a config speaks of it, its layer's number and the experts' box left out
_IN_LAYER = re.compile(r"(?:^|\.)layers\.\d+\.(?P<name>.+)$")
_BOX = re.compile(r"\b(?:switch_mlp|experts)\.")
#: bits of a weight in MXFP4: 4, and a scale of 8 for every 32
_MXFP4_BITS = 4.25
#: methods of other libraries that leave embedding and head as they are
_LAYERS_ONLY = ("gptq", "awq")
#: the tables of a model, the second where it is not the first
_TABLES = ("embed_tokens", "lm_head")


@dataclass(frozen=True)
class ToldPacking:
    """A config's section on quantisation; `settings` is empty where it has none, `wide` are the bytes of a weight as it is."""

    settings: Mapping[str, Any]
    wide: int

    @property
    def packs(self) -> bool:
        """Whether weights are packed by a number of bits."""
        return bool(self._values.whole("bits"))

    def weight_bytes(self, layers: int, linears: Iterable[Linear], embedding: int, heads: int) -> int:
        """Bytes of all weights: `layers` of `linears`, and `heads` tables (1 where they are tied) of `embedding` numbers.

        What the section says of single matrices counts for these.
        """
        by_name = {linear.name: linear.numbers for linear in linears}
        table = self._of_tables()
        total = heads * embedding * table + layers * sum(n * self._of(name) for name, n in by_name.items())
        for path, said in self.settings.items():
            inner = _IN_LAYER.search(path)
            if inner:
                name = _BOX.sub("", inner["name"])
                total += by_name.get(name, 0) * (self._said(said, self._of(name)) - self._of(name))
            elif path.endswith(_TABLES[:heads]):
                total += embedding * (self._said(said, table) - table)
        return int(total)

    @property
    def _values(self) -> ConfigValues:
        return ConfigValues(dict(self.settings))

    def _of(self, name: str) -> float:
        """Bytes of a weight in a layer's matrix."""
        experts = self._values.text("quant_method") == "mxfp4" and name.startswith("mlp")
        return _MXFP4_BITS / 8 if experts else self._bytes_each(self._values)

    def _of_tables(self) -> float:
        wide = self._values.text("quant_method") in _LAYERS_ONLY
        return float(self.wide) if wide else self._bytes_each(self._values)

    def _said(self, said: Any, otherwise: float) -> float:
        """Bytes of a weight of which the section says `said`: packed in its own way, not packed (False), or nothing new."""
        if isinstance(said, dict):
            return self._bytes_each(ConfigValues({**self.settings, **cast("dict[str, Any]", said)}))
        return float(self.wide) if said is False else otherwise

    def _bytes_each(self, values: ConfigValues) -> float:
        """A scale and an offset of two bytes each for every group of weights."""
        bits = values.whole("bits")
        return bits / 8 + 4 / (values.whole("group_size") or 64) if bits else float(self.wide)
