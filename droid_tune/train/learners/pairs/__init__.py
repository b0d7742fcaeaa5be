"""Learning from answers that are judged: pairs, and single answers with a verdict."""
