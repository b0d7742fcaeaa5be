#!/usr/bin/env bash
# mlx-lm 0.32.2: `mlx_lm.tool_parsers`, what becomes of arguments that are more than a word (its server hands these to clients).
#
# A good guess: each parser reads what its format can say, or refuses it. Seen: FunctionGemma's parser ends a call at the first
# closing brace and an argument at the next comma, wherever they stand. An object as an argument comes back as half of its text
# under its name, with its later fields raised to arguments of the call; a list of two numbers raises "substring not found"; a
# text with a brace in it, inside its <escape> marks, raises the same. MiniMax's parser guesses by words: the text "null" for an
# argument that the tool declares as a string is None, and 3.7 for an integer stays 3.7 (Qwen3-Coder's refuses that). Whoever
# rewards or runs calls that these have read may run another call than the model wrote; a parser of one's own has to be strict.
#
#   function_gemma, an object: {'name': 'book', 'arguments': {'who': '{name:<escape>Ann<escape>', 'age': 3}}
#   function_gemma, a list: ValueError substring not found
#   function_gemma, a brace in a text: ValueError substring not found
#   minimax_m2: {'name': 'book', 'arguments': {'note': None, 'guests': 3.7}}
#   qwen3_coder: ValueError Invalid integer literal '3.7'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case "$(uname)" in
    Darwin) mlx="mlx==0.32.4" ;;
    *) mlx="mlx[cpu]==0.32.4" ;;
esac
"$work/venv/bin/python" -m pip install -q "$mlx" mlx-lm==0.32.2
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from mlx_lm.tool_parsers import function_gemma, minimax_m2, qwen3_coder

print("mlx-lm", version("mlx-lm"))
assert version("mlx-lm") == "0.32.2"
PROPERTIES = {"note": {"type": "string"}, "guests": {"type": "integer"}}
TOOLS = [{"type": "function", "function": {"name": "book", "parameters": {"type": "object", "properties": PROPERTIES}}}]
ASKED = {
    "function_gemma, an object": (function_gemma, "call:book{who:{name:<escape>Ann<escape>,age:3}}"),
    "function_gemma, a list": (function_gemma, "call:book{days:[1,2]}"),
    "function_gemma, a brace in a text": (function_gemma, "call:book{note:<escape>a {b} c<escape>}"),
    "minimax_m2": (
        minimax_m2,
        '<invoke name="book"><parameter name="note">null</parameter><parameter name="guests">3.7</parameter></invoke>',
    ),
    "qwen3_coder": (qwen3_coder, "<function=book><parameter=guests>\n3.7\n</parameter></function>"),
}
SEEN = {
    "function_gemma, an object": "{'name': 'book', 'arguments': {'who': '{name:<escape>Ann<escape>', 'age': 3}}",
    "function_gemma, a list": "ValueError substring not found",
    "function_gemma, a brace in a text": "ValueError substring not found",
    "minimax_m2": "{'name': 'book', 'arguments': {'note': None, 'guests': 3.7}}",
    "qwen3_coder": "ValueError Invalid integer literal '3.7'",
}
for name, (parser, text) in ASKED.items():
    try:
        said = str(parser.parse_tool_call(text, TOOLS))
    except Exception as error:
        said = f"{type(error).__name__} {error}"
    print(f"{name}: {said}")
    assert said == SEEN[name], SEEN[name]
PYTHON
