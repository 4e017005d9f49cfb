"""The demo: what `make demo` runs."""
