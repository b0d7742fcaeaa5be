"""Models of the Hugging Face Hub by words: their names, sizes, quantisation and how often they are downloaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from droid_tune import words
from droid_tune.control import UNWATCHED, Watch, waited_for
from droid_tune.errors import UserError
from droid_tune.model_files.from_hub.hub_faults import hub_fault, no_connection

#: answers at most
MOST_FOUND = 30
#: bits of a number by its name in a safetensors header
_BITS = {
    "F64": 64,
    "I64": 64,
    "F32": 32,
    "I32": 32,
    "U32": 32,
    "F16": 16,
    "BF16": 16,
    "I16": 16,
    "U16": 16,
    "F4": 4,
}
_USUAL_BITS = 8
_BITS_TAG = re.compile(r"(\d)-bit")
#: language models that can be loaded
_FILTER = ["safetensors", "text-generation"]
#: seconds that the Hub has for an answer
_PATIENCE = 10
#: of each model: what is shown of it, and no more
_WANTED = ["downloads", "gated", "safetensors", "config", "tags", "private"]


@dataclass(frozen=True)
class HubModel:
    """A model as the Hub tells of it; `weight_bytes` 0 and `bits` 0 where it does not say."""

    id: str
    downloads: int = 0
    weight_bytes: int = 0
    bits: int = 0
    gated: bool = False
    private: bool = False

    def detail(self) -> str:
        """`351 MB · 4 bits · 120,000 downloads · gated`."""
        parts = [
            words.size(self.weight_bytes) if self.weight_bytes else "size not told",
            words.count(self.bits, "bit") if self.bits else "",
            words.count(self.downloads, "download"),
            "gated" if self.gated else "",
            "private" if self.private else "",
        ]
        return " · ".join(filter(None, parts))


def search_models(text: str, watch: Watch = UNWATCHED, most: int = MOST_FOUND) -> list[HubModel]:
    """Language models with weights as safetensors, the most downloaded first.

    Raises UserError where the Hub cannot be reached or refuses; `Stopped`, while the answer is still under way.
    """
    return waited_for(lambda: _found(text, most), watch)


def _found(text: str, most: int) -> list[HubModel]:
    """One question without the library's retries, which take half a minute to say that there is no network."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    asked: dict[str, Any] = {"filter": _FILTER, "sort": "downloads", "limit": most, "expand": _WANTED}
    if text:
        asked["search"] = text
    try:
        response = get_session().get(
            f"{constants.ENDPOINT}/api/models", params=asked, headers=build_hf_headers(), timeout=_PATIENCE
        )
        hf_raise_for_status(response)
        return [_told(one) for one in response.json()]
    except Exception as error:
        if no_connection(error):
            raise UserError(
                "The Hugging Face Hub cannot be reached",
                remedy="check the internet connection; models on this computer can be used without it",
            ) from error
        raise hub_fault(text, error) from error


def _told(model: Mapping[str, Any]) -> HubModel:
    counts: Mapping[str, int] = (model.get("safetensors") or {}).get("parameters") or {}
    return HubModel(
        id=str(model["id"]),
        downloads=int(model.get("downloads") or 0),
        weight_bytes=sum(count * _BITS.get(kind, _USUAL_BITS) // 8 for kind, count in counts.items()),
        bits=_bits_of(model.get("config"), model.get("tags") or []),
        gated=bool(model.get("gated")),
        private=bool(model.get("private")),
    )


def _bits_of(config: Any, tags: list[str]) -> int:
    """Of a quantised model, by its config, else by a tag."""
    known: Any = config if isinstance(config, dict) else {}
    quantisation: Any = known.get("quantization_config") or known.get("quantization") or {}
    bits = quantisation.get("bits") if isinstance(quantisation, dict) else None  # pyright: ignore[reportUnknownMemberType]
    if isinstance(bits, int):
        return bits
    found = [match for tag in tags if (match := _BITS_TAG.fullmatch(tag))]
    return int(found[0].group(1)) if found else 0
