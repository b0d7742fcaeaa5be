"""Heads that read numbers of hidden states: reward models, classifiers, critics."""
