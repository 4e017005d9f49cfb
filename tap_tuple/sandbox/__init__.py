"""A local stand-in for Tuple's usage API, built on the standard library only.

It lets people try the tap without a Tuple token. The tests, the demo and the benchmarks also use it.
"""

from tap_tuple.sandbox.fault_injection import Fault
from tap_tuple.sandbox.history import generate_calls
from tap_tuple.sandbox.http_server import Received
from tap_tuple.sandbox.sandbox import DEFAULT_TOKEN, Sandbox

__all__ = ["DEFAULT_TOKEN", "Fault", "Received", "Sandbox", "generate_calls"]
