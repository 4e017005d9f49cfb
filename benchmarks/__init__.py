"""The benchmark of `make bench`: the cost and speed of the tap, compared with its alternatives."""
