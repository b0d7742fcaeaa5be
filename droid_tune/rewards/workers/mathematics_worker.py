"""Child: are two expressions mathematically equal? Computer algebra may take for ever, so the parent holds the watch."""

from __future__ import annotations

import logging

from droid_tune.rewards.workers.protocol import Message, serve


def equal(answer: str, reference: str) -> bool:
    """math-verify's verdict on two LaTeX expressions. False where either text is no expression."""
    from math_verify import parse, verify

    # Its own time-outs are alarms (SIGALRM), which only a main thread can set; the parent kills this process instead.
    sides = [
        parse(f"${text.strip().strip('$')}$", fallback_mode="no_fallback", parsing_timeout=0)
        for text in (reference, answer)
    ]
    return all(sides) and bool(verify(sides[0], sides[1], timeout_seconds=None))


def handle(request: Message) -> Message:
    """Answers one request: whether two expressions are equal. `warm_up` loads what that needs."""
    if "warm_up" in request:
        return {"equal": equal("x+1", "1+x")}
    return {"equal": equal(request["answer"], request["reference"])}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    serve(handle)
