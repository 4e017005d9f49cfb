"""Adds people to the list of people from the JSON usage report on Tuple's page for team management.

    python dbt/people.py usage-report.json dbt/seeds/people.csv

New members are added with their name, and the creation date of their account as `start_date`. Existing entries,
including teams and aliases, do not change.

The format of the report: https://docs.tuple.app/team-management/exporting-team-usage
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = ("email", "name", "team", "start_date", "aliases")
ARGUMENTS = 2

Person = dict[str, str]


def main(arguments: list[str]) -> None:
    """Add the new members to the list, and print what remains to be done by hand."""
    if len(arguments) != ARGUMENTS:
        sys.exit("Usage: people.py usage-report.json people.csv")
    report, people_csv = map(Path, arguments)
    members = _members(report)
    people = _people(people_csv)
    known = {address for person in people for address in _addresses(person)}
    new = [_person(member) for member in members if member["email"].lower() not in known]
    people += new

    written = people_csv.with_suffix(".csv.new")
    with written.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(people)
    written.replace(people_csv)

    print(f"{people_csv}: {len(people)} people, {len(new)} of them new.")
    if without_team := sum(not person["team"] for person in people):
        print(f"Without a team: {without_team}. The report does not contain teams; fill in the column `team`.")
    reported = {member["email"].lower() for member in members}
    for person in people:
        if not reported & _addresses(person):
            print(f"Not in the report: {person['email']}. Delete the line if the person has left.")


def _members(path: Path) -> list[dict[str, Any]]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot read {path}: {error}")
    try:
        members: list[dict[str, Any]] = report["team_members"]
        for member in members:
            member["email"].lower(), member["name"].strip(), member["created_at"][:10]
    except (AttributeError, KeyError, TypeError):
        sys.exit(
            f"{path} is not a Tuple usage report: expected a list `team_members` with `email`, `name` and `created_at`."
        )
    return members


def _people(path: Path) -> list[Person]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != list(COLUMNS):
            sys.exit(f"The first line of {path} must be {','.join(COLUMNS)}")
        return list(reader)


def _addresses(person: Person) -> set[str]:
    return {address.lower() for address in (person["email"], *person["aliases"].split())}


def _person(member: dict[str, Any]) -> Person:
    return {
        "email": member["email"],
        "name": member["name"].strip(),
        "team": "",
        "start_date": member["created_at"][:10],
        "aliases": "",
    }


if __name__ == "__main__":
    main(sys.argv[1:])
