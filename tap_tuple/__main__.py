"""The command `tap-tuple`."""

from __future__ import annotations

import gc
import signal
import sys


def main() -> None:
    """Run the tap with the arguments of the process, and exit.

    The exit code is 0 for a complete run, 1 for a failure, 2 for an invalid command line. A signal ends the process by
    that signal.
    """
    # Importing the SDK takes a moment; until the tap handles signals, Ctrl-C ends the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Imported modules stay: searching them for garbage takes a third of the time of a run without new calls.
    gc.disable()
    from tap_tuple.cli import run  # noqa: PLC0415

    gc.freeze()
    gc.enable()

    sys.exit(run())


if __name__ == "__main__":
    main()
