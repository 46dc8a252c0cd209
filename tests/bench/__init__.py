"""What recording costs: `python -m tests.bench`, or `make bench` for every interpreter that there is."""
