"""The built wheel and sdist are complete, and no distribution overwrites another's modules."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest

# One build for all tests of this file.
pytestmark = pytest.mark.xdist_group("packaging")

CHECKOUT = Path(__file__).parent.parent
SCHEMAS = sorted(path.name for path in (CHECKOUT / "schemas").iterdir())


@dataclass
class Built:
    """The results of building a copy of the checkout."""

    source: Path
    sdist: Path
    wheel_of_sdist: Path
    wheel_of_checkout: Path


def run_successfully(*command: str | Path) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build as a release does, in separate environments, from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "checkout"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "output")
    shutil.copytree(CHECKOUT, source, ignore=ignored)
    shutil.copy(CHECKOUT / ".gitignore", source)
    build = [sys.executable, "-m", "build", "--outdir"]
    with ThreadPoolExecutor() as executor:
        release = executor.submit(run_successfully, *build, folder / "release", source)
        wheel = executor.submit(run_successfully, *build, folder / "wheel", "--wheel", source)
        release.result()
        wheel.result()
    (sdist,) = (folder / "release").glob("*.tar.gz")
    (wheel_of_sdist,) = (folder / "release").glob("*.whl")
    (wheel_of_checkout,) = (folder / "wheel").glob("*.whl")
    return Built(source, sdist, wheel_of_sdist, wheel_of_checkout)


def discovered(python_path: Path | None, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return where the package is, and the catalog that it prints; the process starts in an empty folder."""
    code = (
        "import tap_tuple, sys; print(tap_tuple.__file__, file=sys.stderr); from tap_tuple.__main__ import main; main()"
    )
    path = {} if python_path is None else {"PYTHONPATH": str(python_path)}
    run = subprocess.run(
        [sys.executable, "-c", code, "--discover"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | path,
        check=True,
    )
    return Path(run.stderr.splitlines()[0]).parent, json.loads(run.stdout)


@pytest.mark.parametrize("kind", ["wheel_of_sdist", "wheel_of_checkout"])
def test_a_wheel_contains_the_schemas_and_can_discover(built: Built, kind: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(getattr(built, kind)) as wheel:
        names = wheel.namelist()
        wheel.extractall(tmp_path / "installed")  # noqa: S202 - this test built it
    assert sorted(name for name in names if "schemas/" in name) == [f"tap_tuple/schemas/{name}" for name in SCHEMAS]
    assert {name.partition("/")[0] for name in names} == {
        "tap_tuple",
        f"tap_tuple-{metadata.version('tap-tuple')}.dist-info",
    }
    (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
    assert "tap-tuple = tap_tuple.__main__:main" in (tmp_path / "installed" / entry_points).read_text("utf-8")
    assert any(name.endswith("licenses/LICENSE") for name in names)

    package, catalog = discovered(tmp_path / "installed", tmp_path)
    assert package == tmp_path / "installed" / "tap_tuple"
    for stream in catalog["streams"]:
        schema = json.loads((CHECKOUT / "schemas" / f"{stream['tap_stream_id']}.json").read_text("utf-8"))
        assert stream["schema"]["properties"] == schema["properties"]
    assert sorted(f"{stream['tap_stream_id']}.json" for stream in catalog["streams"]) == SCHEMAS


def test_the_wheels_of_the_sdist_and_of_the_checkout_contain_the_same_files(built: Built) -> None:
    contents = []
    for path in (built.wheel_of_sdist, built.wheel_of_checkout):
        with zipfile.ZipFile(path) as wheel:
            contents.append({name: wheel.read(name) for name in wheel.namelist()})
    assert contents[0] == contents[1]


def test_the_sdist_contains_code_schemas_and_documents(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {f"schemas/{name}" for name in SCHEMAS} <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", "tap_tuple/__main__.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(".venv")]


def test_an_editable_install_reads_the_schemas_of_its_checkout(built: Built, tmp_path: Path) -> None:
    target = tmp_path / "editable"
    run_successfully(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--prefix", target, "--ignore-installed", "--editable", built.source),
    )
    (path_file,) = target.rglob("*.pth")
    assert path_file.read_text("utf-8").split() == [str(built.source)]
    package, catalog = discovered(Path(path_file.read_text("utf-8").strip()), tmp_path)
    assert package == built.source / "tap_tuple"
    assert not (package / "schemas").exists(), "the schemas are beside the package"
    assert sorted(f"{stream['tap_stream_id']}.json" for stream in catalog["streams"]) == SCHEMAS


def test_the_tested_package_reads_the_schemas_of_the_checkout() -> None:
    packaged = resources.files("tap_tuple") / "schemas"
    beside = CHECKOUT / "schemas"
    for name in SCHEMAS:
        text = (packaged if packaged.is_dir() else beside).joinpath(name).read_text("utf-8")
        assert json.loads(text) == json.loads((beside / name).read_text("utf-8"))


def test_the_module_backoff_belongs_to_one_distribution() -> None:
    assert metadata.packages_distributions()["backoff"] == ["python-backoff"]
    owners = [
        distribution.metadata["Name"]
        for distribution in metadata.distributions(path=site.getsitepackages())
        if any(file.parts[0] == "backoff" for file in distribution.files or ())
    ]
    assert owners == ["python-backoff"]


def test_the_tap_requires_the_same_distribution_of_backoff_as_the_sdk() -> None:
    for name in ("singer-sdk", "tap-tuple"):
        required = [requirement.partition(";")[0] for requirement in metadata.requires(name) or ()]
        names = [requirement for requirement in required if "backoff" in requirement]
        assert [name.startswith("python-backoff") for name in names] == [True], required
