"""Will it fit, how long will it take: pure arithmetic over files' headers, before anything is loaded (floor 1)."""
