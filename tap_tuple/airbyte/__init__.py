"""The same tap as an Airbyte source: the command `source-tuple`."""
