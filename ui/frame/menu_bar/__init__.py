"""The menus of the menu bar, one a file; each owns what its commands do to the window alone."""
