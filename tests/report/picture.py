"""Takes the README's pictures of the demo's report: `docs/pairing-report.png`, and its dark twin.

After `make demo report test-report`: `PYTHONPATH=. .venv-test-report/bin/python tests/report/picture.py`. The font
is the machine's `system-ui`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import FLAGS, find_chromium
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "output" / "pairing-report.html"
WIDTH_PX = 1400
PICTURES = {"light": "pairing-report.png", "dark": "pairing-report-dark.png"}


def main() -> None:
    """Capture the page from its top to the end of the matrix, at a scale of 1."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for scheme, picture in PICTURES.items():
            options: Any = {"color_scheme": scheme}
            tab = browser.new_page(viewport={"width": WIDTH_PX, "height": 900}, **options)
            tab.goto(PAGE.as_uri())
            tab.wait_for_selector("html[data-drawn]")
            height = tab.evaluate("document.querySelector('.columns').getBoundingClientRect().bottom") + 36
            tab.screenshot(
                path=ROOT / "docs" / picture, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH_PX, "height": height}
            )
        browser.close()


if __name__ == "__main__":
    main()
