"""The measuring engines; the only place that touches `sys.monitoring` and `sys.settrace`."""
