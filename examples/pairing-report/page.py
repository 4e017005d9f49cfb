"""Builds the page from the query results, the chart specifications, the texts and the charting library."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import date
from decimal import Decimal
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import sentences
import vl_convert
from seriation import seriate
from steps import Steps
from warehouse import CHARTS, Warehouse

if TYPE_CHECKING:
    from names import Labels, Pseudonyms

PARTS = Path(__file__).parent / "page"
VEGA_LITE = "6.4"
DAYS_PER_WEEK = 7


def write_page(path: Path, warehouse: Warehouse, naming: Labels | Pseudonyms) -> None:
    """Write the page. The file is self-contained, and the page sends no requests."""
    facts = warehouse.rows("facts")[0]
    weeks = warehouse.rows("hours_a_week")
    pairs = _named(warehouse.rows("who_with_whom"), naming)
    lengths = warehouse.rows("length_of_calls")
    sizes = warehouse.rows("size_of_calls")
    hours = warehouse.rows("hours_of_the_week")

    matrix, pair_steps = _matrix(pairs)
    clock, hour_steps = _averages(hours, ((facts["last_day"] - facts["first_day"]).days + 1) / DAYS_PER_WEEK)
    people = len({row["person"] for row in matrix})
    words = {
        "hours_a_week": sentences.hours_a_week(weeks),
        "who_with_whom": sentences.who_with_whom(pairs, people),
        "length_of_calls": sentences.length_of_calls(facts),
        "size_of_calls": sentences.size_of_calls(sizes),
        "hours_of_the_week": sentences.hours_of_the_week(hours, warehouse.time_zone),
    }
    charts = {
        name: _specification(name, rows, words[name][0])
        for name, rows in {
            "hours_a_week": weeks,
            "who_with_whom": matrix,
            "length_of_calls": lengths,
            "size_of_calls": sizes,
            "hours_of_the_week": clock,
        }.items()
    }
    if all(week["cut_short"] for week in weeks):
        del charts["hours_a_week"]["layer"][1:]  # no complete week, so no median line
    texts = {f"{name}_title": title for name, (title, _) in words.items()}
    texts |= {f"{name}_text": text for name, (_, text) in words.items()}
    texts["period"] = sentences.period(facts, warehouse.time_zone)
    script = vl_convert.javascript_bundle(_part("page.js"), vl_version=VEGA_LITE)
    page = Template(_part("template.html")).substitute(
        {name: escape(text) for name, text in texts.items()},
        font=_theme()["font"],
        style=_part("style.css"),
        facts=_facts(facts),
        people=people,
        who_with_whom_legend=_legend(pair_steps),
        hours_of_the_week_legend=_legend(hour_steps),
        notes="\n".join(f"<p>{escape(note)}</p>" for note in sentences.notes(facts, anonymous=naming.anonymous)),
        charts=_json(charts),
        licences=_part("licences.txt"),
        script=script,
        script_digest=b64encode(sha256(script.encode()).digest()).decode(),
    )
    path.write_text(page, encoding="utf-8")


def _named(pairs: list[dict[str, Any]], naming: Labels | Pseudonyms) -> list[dict[str, Any]]:
    return [{**pair, "person": naming[pair["person"]], "other": naming[pair["other"]]} for pair in pairs]


def _matrix(pairs: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Steps]:
    """Return the cells of both halves of the matrix with their positions and colour steps, and the steps."""
    places = {
        person: place
        for place, person in enumerate(seriate({(pair["person"], pair["other"]): pair["hours"] for pair in pairs}))
    }
    steps = Steps([pair["hours"] for pair in pairs], "h")
    cells = [
        {
            "person": one,
            "other": other,
            "place": places[one],
            "other_place": places[other],
            "hours": round(pair["hours"], 2),
            "step": steps[pair["hours"]],
        }
        for pair in pairs
        for one, other in ((pair["person"], pair["other"]), (pair["other"], pair["person"]))
    ]
    # In the order of the matrix, as the order of the addresses would reveal information about people.
    return sorted(cells, key=lambda cell: (cell["place"], cell["other_place"])), steps


def _averages(hours: list[dict[str, Any]], weeks: float) -> tuple[list[dict[str, Any]], Steps]:
    averages = [{**row, "hours": row["hours"] / max(weeks, 1)} for row in hours]
    steps = Steps([row["hours"] for row in averages], "h per week")
    return [{**row, "hours": round(row["hours"], 3), "step": steps[row["hours"]]} for row in averages], steps


def _specification(name: str, rows: list[dict[str, Any]], title: str) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart, with its data."""
    chart: dict[str, Any] = json.loads((CHARTS / f"{name}.json").read_text(encoding="utf-8"))
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{VEGA_LITE}.json",
        "description": title,
        "config": _theme(),
        "data": {"values": rows},
        **chart,
    }


def _theme() -> dict[str, Any]:
    theme: dict[str, Any] = json.loads((CHARTS / "theme.json").read_text(encoding="utf-8"))
    return theme


def _facts(facts: dict[str, Any]) -> str:
    shown = {
        "hours of pairing": f"{facts['paired_hours']:,.0f}",
        "calls": f"{facts['calls']:,}",
        "people": f"{facts['people']:,}",
    }
    if facts["median_minutes"] is not None:
        shown["median call"] = f"{facts['median_minutes']:.0f} min"
    return "\n".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in shown.items())


def _legend(steps: Steps) -> str:
    items = "".join(
        f'<li><i style="background: var(--step-{step})"></i>{escape(label)}</li>'
        for step, label in enumerate(steps.labels())
    )
    return f'<ul class="legend">{items}</ul>'


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """Return JSON in which no name can end the script element of the page."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
