"""Tests tell which requests are theirs: the pytest plugin."""
