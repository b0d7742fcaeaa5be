"""Chat templates: what they render, and the child process that renders them."""
