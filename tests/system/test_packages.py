"""What an error says installs an extra, installed or not."""

from importlib import metadata

import pytest

from fastminima.errors import MissingDependencyError
from fastminima.system import packages


def message():
    with pytest.raises(MissingDependencyError) as caught:
        packages.import_optional("no_such_package", extra="plot", purpose="a picture")
    return str(caught.value)


def missing(name):
    raise metadata.PackageNotFoundError(name)


def test_an_installed_package_is_named(monkeypatch):
    monkeypatch.setattr(metadata, "distribution", lambda name: name)
    assert message().endswith("pip install 'fastminima[plot]'")


def test_a_checkout_that_is_not_installed_is_named_by_its_folder(monkeypatch, tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.setattr(metadata, "distribution", missing)
    monkeypatch.setattr(packages, "_CHECKOUT", folder)
    assert message().endswith("pip install 'fastminima[plot]'")
    (folder / "pyproject.toml").touch()
    assert message().endswith(f"pip install '{folder}[plot]'")
