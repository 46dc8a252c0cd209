"""The pages in a real browser. What their scripts do depends on no interpreter: CI runs these tests on one of them."""
