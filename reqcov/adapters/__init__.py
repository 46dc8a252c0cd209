"""One module a framework: which route was it, and how is the middleware installed? Nothing else."""
