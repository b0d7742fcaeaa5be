"""The same small work done by the engine and by TRL on the processor: `packaging/bench --trl`."""
