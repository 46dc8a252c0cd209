"""A shop that many tests ask at once: what each of them ran, beside what coverage.py says that it runs alone."""
