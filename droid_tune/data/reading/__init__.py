"""From bytes to checked rows: files found, opened, scanned and indexed."""
