"""Recurrences over tokens (gated delta rule, state space duality, linear attention, RWKV-7) as matrix products over chunks."""
