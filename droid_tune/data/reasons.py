"""Every reason by its name: what `validate --json` prints in `reason`, closed so that a typo is a type error."""

from __future__ import annotations

from typing import Literal

RowReason = Literal[
    "invalid_json",
    "non_object",
    "duplicate_key",
    "missing_required_field",
    "empty_required_field",
    "wrong_type",
    "invalid_encoding",
    "invalid_unicode",
    "too_deep",
    "number_too_large",
    "nul_bytes",
    "row_too_long",
    "schema_mismatch",
    "unknown_schema",
    "invalid_role",
    "no_assistant_turn",
    "ambiguous_fields",
    # Sound rows that the chosen model's chat template cannot show.
    "not_rendered",
]

FileReason = Literal[
    "empty_file",
    "no_rows",
    "missing_train",
    "not_a_regular_file",
    "unreadable",
    "unsupported_encoding",
    "unsupported_file_type",
    "unsafe_archive",
    # The file is sound, but its rows are of a format that the chosen method cannot use.
    "schema_mismatch",
    # A header that names a column twice, or none that we know, spoils every row at once.
    "duplicate_key",
    "invalid_json",
]

WarningReason = Literal[
    "duplicate_row",
    "opposite_row",
    "control_chars",
    "mixed_schema",
    "long_row",
    "ambiguous_fields",
    "coerced_type",
    "train_valid_overlap",
    "bom_inside",
    "cr_line_ends",
]

Severity = Literal["error", "warning"]

#: A row nested deeper than this is refused: real data stays under ten, parsers overflow near a thousand.
MAX_DEPTH = 128
#: A row of more bytes than this is refused unread, so that memory stays bounded.
MAX_ROW_BYTES = 16 * 1024 * 1024
#: A row of more bytes than this is warned about: no model's context holds it.
LONG_ROW_BYTES = 1024 * 1024
#: The largest number a 64-bit float holds; JSON beyond it (1e999, 400 digits) has no value to train on.
MAX_INTEGER_DIGITS = 309
