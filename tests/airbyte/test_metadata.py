"""`airbyte-connector/metadata.yaml` is valid by Airbyte's own schema."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import yaml

METADATA = Path(__file__).parent.parent.parent / "airbyte-connector" / "metadata.yaml"


def test_the_metadata_is_valid() -> None:
    schema_file = resources.files("airbyte_connector_models") / "metadata" / "v0" / "ConnectorMetadataDefinitionV0.json"
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
    errors = list(validator.iter_errors(yaml.safe_load(METADATA.read_text(encoding="utf-8"))))
    assert not errors
