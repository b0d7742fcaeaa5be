"""What the charts of a run share: one cursor, one scale across, marks of what happened."""
