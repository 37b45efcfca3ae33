import tomllib
from importlib import import_module, metadata, resources
from pathlib import Path

NAME = "flowcraft_postgres"


def test_the_package_imports() -> None:
    assert import_module(NAME).__name__ == NAME


def test_type_checkers_may_trust_its_annotations() -> None:
    assert resources.files(NAME).joinpath("py.typed").is_file()


def test_the_installed_version_is_that_of_the_source() -> None:
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))
    assert metadata.version(NAME.replace("_", "-")) == project["project"]["version"]
