"""The report as its users build it, in a separate process, and the content of the page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

REPORT = Path(__file__).parent.parent.parent / "examples" / "pairing-report"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, REPORT, *arguments], capture_output=True, text=True, check=False)


class Page:
    """A page that was built.

    Attributes:
        path: The file.
        html: Its content.
        text: The text outside the charts, without scripts and styles.
        charts: The Vega-Lite specification of each chart.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.html = path.read_text(encoding="utf-8")
        self.text = unescape(re.sub(r"(?s)<(script|style).*?</\1>|<!--.*?-->", "", self.html))
        data = re.search(r'(?s)<script type="application/json" id="charts">(.*?)</script>', self.html)
        assert data
        self.charts: dict[str, Any] = json.loads(data[1])

    def rows(self, chart: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.charts[chart]["data"]["values"]
        return rows

    def matrix_order(self) -> list[str]:
        places = {row["place"]: row["person"] for row in self.rows("who_with_whom")}
        return [places[place] for place in sorted(places)]


def build(database: Path, *arguments: str | Path) -> Page:
    """Build the page, in the folder of the database unless `--output` is given."""
    done = run(database, "--output", database.with_suffix(".html"), *arguments)
    assert not done.returncode, done.stderr
    return Page(Path(done.stdout.removeprefix("Pairing report: ").strip()))
