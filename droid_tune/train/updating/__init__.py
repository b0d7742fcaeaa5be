"""From a gathered gradient to new weights."""
