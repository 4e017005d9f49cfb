"""Builds the pairing report: one HTML page about how a team pairs, from the DuckDB tables that tap-tuple fills.

`make report` runs it on the demo's database; README.md describes how to run it on another database.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from names import Labels, Pseudonyms, read_or_make_key
from page import write_page
from warehouse import Warehouse, WarehouseError

ROOT = Path(__file__).parent.parent.parent
DEMO_DATABASE = ROOT / "output" / "demo" / "warehouse.duckdb"
PAGE = ROOT / "output" / "pairing-report.html"
KEY = ROOT / "output" / "pairing-report.key"


def main() -> None:
    """Build the page that the command line specifies; exit with a one-line error if that fails."""
    options = _parser().parse_args()
    if not options.database.exists():
        hint = " Run `make demo` first to create it." if options.database == DEMO_DATABASE else ""
        sys.exit(f"Database {_short(options.database)} not found.{hint}")
    try:
        with Warehouse(options.database, options.schema, options.time_zone) as warehouse:
            people = warehouse.people()
            naming = Pseudonyms(people, read_or_make_key(options.key_file)) if options.anonymous else Labels(people)
            options.output.parent.mkdir(parents=True, exist_ok=True)
            write_page(options.output, warehouse, naming)
    except WarehouseError as error:
        sys.exit(str(error))
    print(f"Pairing report: {_short(options.output)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pairing-report", description="Builds one HTML page about how a team pairs.")
    parser.add_argument(
        "database", nargs="?", type=Path, default=DEMO_DATABASE, help="the DuckDB file to read (default: the demo's)"
    )
    parser.add_argument("--schema", default="tuple", help="the schema of the tap's tables (default: %(default)s)")
    parser.add_argument(
        "--time-zone", default="UTC", help="the time zone for hours and weeks, e.g. Europe/Berlin (default: UTC)"
    )
    parser.add_argument(
        "--anonymous", action="store_true", help="replace all names with pseudonyms, which are the same in every report"
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        default=KEY,
        help="the file with the secret for the pseudonyms, created if missing (default: output/pairing-report.key)",
    )
    parser.add_argument(
        "--output", type=Path, default=PAGE, help="the HTML file to write (default: output/pairing-report.html)"
    )
    return parser


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    main()
