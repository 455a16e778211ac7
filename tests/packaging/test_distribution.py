"""What imgcls's own sdist and wheel contain and declare."""

import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.third_party.environment import ROOT, build


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the sdist, which lies beside it."""
    return build(ROOT, tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def _needed(metadata: Message, *extras: str) -> set[str]:
    """Names of the distributions that a plain install, or one with extras, asks for."""
    found = map(Requirement, metadata.get_all("Requires-Dist", []))
    return {
        need.name
        for need in found
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras or ("",))
    }


def test_there_are_extras_for_both_builds_of_dali_and_for_the_tests(metadata):
    assert {"cuda12", "cuda13", "test"} <= set(metadata.get_all("Provides-Extra", []))
    assert {"pytest", "hypothesis", "build", "hatchling"} <= _needed(metadata, "test")


def test_a_plain_install_brings_one_build_of_dali_and_each_extra_its_own(metadata):
    # both builds fill the same folder: the README says how to change from one to the other
    assert [name for name in _needed(metadata) if "dali" in name] == ["nvidia-dali-cuda130"]
    assert [name for name in _needed(metadata, "test") if "dali" in name] == ["nvidia-dali-cuda130"]
    assert "nvidia-dali-cuda130" in _needed(metadata, "cuda13")
    assert "nvidia-dali-cuda120" in _needed(metadata, "cuda12")


def test_a_plain_install_asks_for_what_training_imports_and_for_no_test_tool(metadata):
    needed = _needed(metadata)
    assert {"torch", "ray", "pluggy", "pydantic", "click", "rich", "numpy", "safetensors"} <= needed
    assert not {"pytest", "hypothesis", "ruff", "mypy"} & needed


def test_what_was_tested_is_what_is_allowed(metadata):
    ranges = {need.name: need.specifier for need in map(Requirement, metadata.get_all("Requires-Dist", []))}
    assert [version for version in ("2.10.0", "2.11.0", "2.13.0", "2.14.0") if version in ranges["torch"]] == [
        "2.11.0",
        "2.13.0",
    ]
    assert "2.60.0" in ranges["ray"]
    assert "2.61.0" not in ranges["ray"]
    assert metadata["Requires-Python"] in (">=3.11,<3.14", "<3.14,>=3.11")


def test_the_wheel_has_recipes_licence_types_and_only_imgcls_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    shipped = {path.name for path in (ROOT / "recipes").glob("*.toml")}
    assert len(shipped) >= 4
    assert {name.partition("/")[2] for name in names if name.startswith("imgcls_recipes/")} >= shipped
    assert {"imgcls_cluster/render/slurm.sh", "imgcls_cluster/render/Dockerfile"} <= set(names)
    assert "imgcls/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert all(name.startswith("imgcls") for name in names)
    assert not any("tests" in name.split("/") for name in names)


def test_the_entry_points_are_the_command_and_the_built_in_plugins(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        text = archive.read(name).decode()
    assert "[console_scripts]\nimgcls = imgcls.cli:main" in text
    plugins = text.partition("[imgcls]")[2]
    for module in ("imgcls_zoo", "imgcls_datasets", "imgcls_augment", "imgcls_optim", "imgcls_trackers"):
        assert f"= {module}" in plugins


def test_the_sdist_has_what_a_clone_has(wheel):
    (sdist,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "recipes/digits_lenet.toml"} <= names
    assert "launcher/imgcls/cli/launch.py" in names
    assert "tests/third_party/imgcls_example/pyproject.toml" in names
    assert not any(name.startswith(("runs/", ".venv/", "dist/")) for name in names)
