"""What stands around the panes: sidebar, toolbar, menus, drops."""
