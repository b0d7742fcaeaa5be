#!/usr/bin/env bash
# safetensors 0.8.0: a header in which one name stands twice.
# Expected: refused as an invalid header, like gaps, overlaps and bytes behind the last array are.
# Happens: safe_open takes the later of the two in silence where both name the same bytes; only where their places
# differ is it refused, and then as an invalid offset.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "safetensors==0.8.0" "numpy==2.4.6"
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import struct
import sys
from importlib.metadata import version
from pathlib import Path

from safetensors import SafetensorError, safe_open

print("safetensors", version("safetensors"))
assert version("safetensors") == "0.8.0"
folder = Path(sys.argv[1])


def read(header: str, size: int) -> dict[str, str]:
    file = folder / "one.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(size))
    with safe_open(file, framework="np") as opened:
        return {name: opened.get_slice(name).get_dtype() for name in opened.keys()}


def entry(dtype: str, begin: int, end: int) -> str:
    width = {"F32": 4, "I32": 4}[dtype]
    return json.dumps({"dtype": dtype, "shape": [(end - begin) // width], "data_offsets": [begin, end]})


same_place = f'{{"a":{entry("F32", 0, 8)},"a":{entry("I32", 0, 8)}}}'
found = read(same_place, 8)
print("the same bytes under one name as F32 and as I32:", found)
assert found == {"a": "I32"}

other_place = f'{{"a":{entry("F32", 0, 8)},"a":{entry("F32", 8, 16)}}}'
try:
    read(other_place, 16)
except SafetensorError as error:
    print("two places under one name:", error)
    assert "invalid offset" in str(error)
else:
    raise SystemExit("two places under one name are taken now")
PYTHON
