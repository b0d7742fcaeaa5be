"""A reward tried before it is trained with: on rows of data, and on what an earlier run has written."""
