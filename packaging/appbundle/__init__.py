"""Assembles and checks the application bundle. Its command lines are `packaging/build-app` and `packaging/check-app`."""
