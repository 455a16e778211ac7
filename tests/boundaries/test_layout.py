from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from imgcls import hookspecs
from imgcls.plugins import KINDS

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("imgcls_")}
TOP_LEVEL = {"launcher", "plugins", "recipes", "tests", "cluster", "pyproject.toml", "README.md", "LICENSE"}
SOURCE_ROOTS = [root for root in ("launcher", "plugins", "cluster") if (ROOT / root).is_dir()]


def tracked():
    ended = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip("not a clone")
    return [Path(line) for line in ended.stdout.splitlines()]


def plugin_folders():
    return sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file())


def test_the_top_level_holds_what_it_should():
    top = {path.parts[0] for path in tracked()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_below_a_source_root_are_only_packages_of_imgcls_and_a_readme(root):
    names = {path.relative_to(root).parts[0] for path in tracked() if path.parts[0] == root}
    assert {name for name in names if not name.startswith("imgcls")} <= {"README.md"}
    for name in names - {"README.md"}:
        assert (ROOT / root / name / "__init__.py").is_file()
    assert not (ROOT / root / "__init__.py").exists()


@pytest.mark.parametrize("root", [*SOURCE_ROOTS, "recipes", "tests"])
def test_each_top_level_folder_has_a_short_readme(root):
    lines = (ROOT / root / "README.md").read_text(encoding="utf-8").splitlines()
    assert 3 <= len(lines) <= 60


def test_every_plugin_folder_is_an_entry_point_and_in_the_wheel():
    points = PYPROJECT["project"]["entry-points"]["imgcls"]
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert plugin_folders()
    clusters = [name for name in points.values() if name == "imgcls_cluster"]
    assert sorted(points.values()) == sorted(plugin_folders() + clusters)
    assert set(packages) == {"launcher/imgcls", *(f"plugins/{name}" for name in plugin_folders())} | {
        f"cluster/{name}" for name in clusters
    }
    for name, module in points.items():
        assert module == f"imgcls_{name}"


def test_every_kind_of_component_has_a_hook():
    assert HOOKS.keys() == {"imgcls_commands", *(f"imgcls_{kind}" for kind in KINDS)}


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "imgcls_commands"])
def test_every_hook_says_how_its_components_are_built(hook):
    text = HOOKS[hook].__doc__
    assert "``build(options" in text
    assert " -> " in text


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_tested(hook):
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    assert any(f'"{hook}"' in text or f"def {hook}" in text for text in texts)


def test_every_package_of_the_tests_is_imported_by_path():
    assert "--import-mode=importlib" in PYPROJECT["tool"]["pytest"]["ini_options"]["addopts"]
    packages = [path for path in (ROOT / "tests").rglob("__init__.py") if "third_party" not in path.parts]
    assert packages == []


def test_every_shipped_recipe_is_in_the_wheel():
    assert PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]["recipes"] == "imgcls_recipes"


def test_the_version_is_said_once_alike():
    import imgcls

    assert PYPROJECT["project"]["version"] == imgcls.__version__
