"""File types, one file each: how rows are found in them, in bounded memory, and read again one by one."""
