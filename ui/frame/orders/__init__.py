"""What a person asks for, by menu, toolbar, drop or Dock: done, or said why not."""
