"""Long runs that are commands, not tests: `python -m tests.load.million`, `python -m tests.load.killing`."""
