"""`python -m reqcov` is `reqcov`."""

from reqcov.cli import main

main()
