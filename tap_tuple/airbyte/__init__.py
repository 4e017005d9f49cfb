"""The tap as an Airbyte source: the command `source-tuple`."""
