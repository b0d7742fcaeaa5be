"""Parquet files for tests, written by the library that reads them: its column types are inferred from JSON."""

from __future__ import annotations

import io
import json
from typing import Any

from arro3.io import infer_json_schema, read_json, write_parquet


def parquet_bytes(rows: list[dict[str, Any]], **options: Any) -> bytes:
    """Rows as a Parquet file; nested lists and objects become lists and structs."""
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    schema = infer_json_schema(io.BytesIO(lines))
    stream = io.BytesIO()
    write_parquet(read_json(io.BytesIO(lines), schema), stream, **options)
    return stream.getvalue()
