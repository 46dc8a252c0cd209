"""From answers to output."""
