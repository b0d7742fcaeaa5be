"""Data written anew: another format, other rows; the user's files stay as they are."""
