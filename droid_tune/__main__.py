"""`python -m droid_tune` is the `droid-tune` command."""

from droid_tune.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
