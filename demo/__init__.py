"""The demo, which `make demo` runs."""
