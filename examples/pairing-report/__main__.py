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
    """Build the page that the command line specifies; exit with one sentence if that fails."""
    options = _parser().parse_args()
    if not options.database.exists():
        hint = " Run `make demo` first: it fills it." if options.database == DEMO_DATABASE else ""
        sys.exit(f"There is no database {_short(options.database)}.{hint}")
    try:
        with Warehouse(options.database, options.schema, options.time_zone) as warehouse:
            people = warehouse.people()
            naming = Pseudonyms(people, read_or_make_key(options.key_file)) if options.anonymous else Labels(people)
            options.output.parent.mkdir(parents=True, exist_ok=True)
            write_page(options.output, warehouse, naming)
    except WarehouseError as error:
        sys.exit(str(error))
    print(f"The pairing report: {_short(options.output)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pairing-report", description="Builds one HTML page about how a team pairs.")
    parser.add_argument(
        "database", nargs="?", type=Path, default=DEMO_DATABASE, help="a DuckDB file (default: that of the demo)"
    )
    parser.add_argument("--schema", default="tuple", help="where the tap's two tables are (default: %(default)s)")
    parser.add_argument(
        "--time-zone", default="UTC", help="whose clock the hours and weeks follow, as Europe/Berlin (default: UTC)"
    )
    parser.add_argument("--anonymous", action="store_true", help="pseudonyms, the same in each report, for all names")
    parser.add_argument(
        "--key-file",
        type=Path,
        default=KEY,
        help="holds the secret the pseudonyms come from; made when missing (default: output/pairing-report.key)",
    )
    parser.add_argument(
        "--output", type=Path, default=PAGE, help="the page to write (default: output/pairing-report.html)"
    )
    return parser


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    main()
