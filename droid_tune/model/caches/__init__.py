"""Keys and values: of a prompt, of a group that shares one, of rows side by side, of packed rows."""
