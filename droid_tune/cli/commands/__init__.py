"""The subcommands of `droid-tune`, one file each."""
