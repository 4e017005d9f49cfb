"""The definition for MeltanoHub matches the settings of the tap."""

from __future__ import annotations

import yaml

import hub.__main__ as hub


def test_the_definition_is_up_to_date() -> None:
    assert hub.DEFINITION.read_text(encoding="utf-8") == hub.text(), "run `make hub`"


def test_the_token_is_sensitive_and_the_dates_are_dates() -> None:
    definition = yaml.safe_load(hub.DEFINITION.read_text(encoding="utf-8"))
    settings = {setting["name"]: setting for setting in definition["settings"]}
    assert settings["auth_token"]["kind"] == "password"
    assert [name for name, setting in settings.items() if setting.get("sensitive")] == ["auth_token"]
    assert {name for name, setting in settings.items() if setting["kind"] == "date_iso8601"} == {
        "start_date",
        "end_date",
    }


def test_the_logo_exists_as_svg_and_png() -> None:
    assert (hub.FOLDER / "logo.svg").read_text(encoding="utf-8").startswith("<svg ")
    assert (hub.FOLDER / "logo.png").read_bytes().startswith(b"\x89PNG")
