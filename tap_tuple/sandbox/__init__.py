"""A stand-in of Tuple's usage API on loopback, from the standard library alone.

For people who have no token yet, and the one server that tests, demo and benchmarks use.
"""

from tap_tuple.sandbox.faults import Fault
from tap_tuple.sandbox.history import generate_calls
from tap_tuple.sandbox.server import DEFAULT_TOKEN, Sandbox

__all__ = ["DEFAULT_TOKEN", "Fault", "Sandbox", "generate_calls"]
