#!/usr/bin/env bash
# mlx 0.32.4 on the CPU: `mx.checkpoint` around segments of a sequence that hand a state on (a recurrence).
#
# A good guess: each segment is computed once more when its gradient is due, so the peak is about one segment's products, and
# halves with every halving of the segments. Seen: it stops falling at some 16 segments (14 MB) and rises again: MLX
# goes back along the states of all segments first and holds what each of them still owes to its own inputs. The same
# gradient, written so that a segment's state waits for the inputs of the one behind it (`mx.depends`), has a sixth
# of the peak with 64 segments (2.5 MB). Whoever trains a recurrent model on long rows has to order the backward pass.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case "$(uname -s)" in Linux) backend="mlx[cpu]" ;; *) backend="mlx" ;; esac
"$work/venv/bin/python" -m pip install -q "$backend==0.32.4"
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import mlx.core as mx

print("mlx", version("mlx"))
assert version("mlx") == "0.32.4"
mx.set_default_device(mx.cpu)
mx.random.seed(0)
TOKENS, WIDTH = 4096, 64
x = mx.random.normal((TOKENS, WIDTH))
first = mx.random.normal((WIDTH, WIDTH)) / 8
mx.eval(x, first)


def segment(state, tokens):
    mixed = mx.softmax(tokens @ tokens.T / WIDTH, axis=-1) @ tokens
    for _ in range(6):
        mixed = mx.tanh(mixed) + tokens
    return mx.tanh(state + tokens.T @ mixed / len(tokens)), mx.square(mixed @ state).sum()


def checkpointed(count):
    step = mx.checkpoint(segment)

    def loss(x):
        state, total = first, mx.array(0.0)
        for piece in mx.split(x, count):
            state, part = step(state, piece)
            total = total + part
        return total

    return mx.grad(loss)


def in_order(count):
    def gradient(x):
        pieces = mx.split(x, count)
        states = [first]
        for piece in pieces:
            states.append(segment(states[-1], piece)[0])
        by_state, found = mx.zeros_like(first), []
        for piece, state in zip(reversed(pieces), reversed(states[:-1])):
            _, (by_before, by_piece) = mx.vjp(segment, [state, piece], [by_state, mx.array(1.0)])
            by_state, by_piece = mx.depends([by_before, by_piece], [by_piece])
            found.append(by_piece)
        return mx.concatenate(found[::-1])

    return gradient


def peak(gradient):
    mx.eval(gradient(x))
    mx.clear_cache()
    held = mx.get_active_memory()
    mx.reset_peak_memory()
    mx.eval(gradient(x))
    return (mx.get_peak_memory() - held) / 1e6


gap = mx.abs(checkpointed(64)(x) - in_order(64)(x)).max() / mx.abs(in_order(64)(x)).max()
assert gap.item() < 1e-5, gap
for count in (4, 16, 64):
    print(f"{count} segments: checkpointed {peak(checkpointed(count)):.1f} MB, in order {peak(in_order(count)):.1f} MB")
assert peak(checkpointed(64)) > 0.9 * peak(checkpointed(16))
assert peak(checkpointed(64)) > 4 * peak(in_order(64))
PYTHON
