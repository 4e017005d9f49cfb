"""What the tap costs, and how fast it is, beside the alternatives: the figures of `make bench`."""
