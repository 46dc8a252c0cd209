"""From what a store holds to an answer: pure functions."""
