"""Describes the machine on which the benchmark runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def describe() -> str:
    """Return the processor, its cores, the operating system and Python, in one line."""
    cores = os.cpu_count() or 1
    system = f"{platform.system()} {platform.release()}"
    return f"{_processor()}, {cores} cores; {system}; {platform.python_implementation()} {platform.python_version()}"


def load() -> str:
    """Return the load average over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text("utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
