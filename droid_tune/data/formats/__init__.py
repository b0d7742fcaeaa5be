"""Row formats, one file each; `table` lists them and says which method can use which."""
