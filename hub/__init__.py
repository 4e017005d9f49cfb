"""The definition of the tap for MeltanoHub, and for `meltano add --from-ref`."""
