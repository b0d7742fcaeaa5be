"""How many CPU seconds of training an accuracy takes: `packaging/bench --to-accuracy`."""
