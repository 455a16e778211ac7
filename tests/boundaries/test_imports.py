"""Who may import what (design.md, section 2): an arrow that turns round is found here."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "launcher").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
CLUSTER = sorted((ROOT / "cluster").rglob("*.py"))
FILES = [*CORE, *PLUGINS, *CLUSTER]


@dataclass(frozen=True)
class Import:
    module: str
    line: int
    at_top: bool


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """Every import that a file can carry out; those for type checkers alone are left out."""
    found = []

    def walk(node, at_top):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for child in node.orelse:
                walk(child, at_top)
            return
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            found.extend(Import(f"{node.module}.{alias.name}", node.lineno, at_top) for alias in node.names)
        inside = at_top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            walk(child, inside)

    walk(ast.parse(path.read_text(encoding="utf-8")), at_top=True)
    return found


IMPORTS = {path: imports_of(path) for path in FILES}


def offenders(paths, *packages, at_top=None):
    return [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in paths
        for found in IMPORTS[path]
        if any(found.module == package or found.module.startswith(f"{package}.") for package in packages)
        and at_top in (None, found.at_top)
    ]


def within(*modules):
    return [p for p in FILES if any(name_of(p) == m or name_of(p).startswith(f"{m}.") for m in modules)]


def outside(*modules):
    return [path for path in FILES if path not in within(*modules)]


def test_the_walk_sees_what_it_is_for():
    assert offenders(FILES, "torch", at_top=True)
    assert offenders(FILES, "ray", at_top=False)
    assert offenders(FILES, "nvidia", at_top=True)
    assert offenders(FILES, "imgcls.train", at_top=False)
    assert offenders(within("imgcls.plan"), "imgcls.recipe") != []
    assert "imgcls.recipe.Recipe" not in [found.module for found in IMPORTS[ROOT / "launcher/imgcls/plan.py"]]


def test_only_on_ray_imports_ray():
    assert offenders(outside("imgcls.on_ray", "imgcls_cluster"), "ray") == []


def test_of_the_core_only_data_imports_dali():
    assert offenders(outside("imgcls.data", "imgcls_augment"), "nvidia") == []


def test_dali_is_at_the_top_only_where_pipelines_are_made():
    assert offenders(outside("imgcls.data.pipeline", "imgcls.data.loader"), "nvidia", at_top=True) == []


def test_torch_is_imported_only_by_what_workers_run():
    light = ("__init__", "options", "configs", "translating")
    builders = [
        path
        for path in PLUGINS
        if (path.stem not in light and path.parent.name != "catalog") or path.parent.name == "blocks"
    ]
    data = ("imgcls.data.loader", "imgcls.data.pipeline", "imgcls.data.resize", "imgcls.data.mixing")
    allowed = {*within("imgcls.train", "imgcls.on_ray", *data), *builders}
    assert offenders([path for path in FILES if path not in allowed], "torch") == []
    listed = [path for path in within("imgcls_optim") if not path.stem.startswith("_") or path.stem == "__init__"]
    assert offenders(listed, "torch", "pytorch_optimizer", at_top=True) == []


def test_datasets_trackers_and_augmentations_of_single_images_need_no_torch():
    mixing = within(*(f"imgcls_augment.{name}" for name in ("mixup", "cutmix", "resize_mix")))
    others = [
        path for path in within("imgcls_datasets", "imgcls_augment", "imgcls_trackers") if path not in mixing
    ]
    assert offenders(others, "torch") == []


def test_only_recipes_and_plans_import_pydantic():
    assert offenders(outside("imgcls.recipe", "imgcls.plan"), "pydantic") == []
    assert offenders(within("imgcls.plan"), "pydantic", at_top=True) == []


def test_the_command_line_imports_only_click_and_itself_at_the_top():
    allowed = {"click", "imgcls", *sys.stdlib_module_names}
    light = ("imgcls", "imgcls.cli", "imgcls.errors", "imgcls.component")
    for path in within("imgcls.cli"):
        for found in IMPORTS[path]:
            if found.at_top:
                assert found.module.partition(".")[0] in allowed, f"{path}:{found.line}"
                if found.module.startswith("imgcls"):
                    assert found.module.startswith("imgcls.cli") or found.module.rpartition(".")[0] in light


# room -> what it must not import: the arrows cli -> on_ray -> train -> data, and recipe, plan, component below all
ABOVE = {
    "imgcls.data": (
        "imgcls.train",
        "imgcls.on_ray",
        "imgcls.storage",
        "imgcls.cli",
        "imgcls.report",
        "imgcls.run_folder",
    ),
    "imgcls.train": ("imgcls.on_ray", "imgcls.storage", "imgcls.cli", "imgcls.plugins", "imgcls.hookspecs"),
    "imgcls.on_ray": ("imgcls.cli",),
    "imgcls.recipe": ("imgcls.data", "imgcls.train", "imgcls.on_ray", "imgcls.cli", "imgcls.report"),
    "imgcls.plan": (
        "imgcls.data",
        "imgcls.train",
        "imgcls.on_ray",
        "imgcls.cli",
        "imgcls.report",
        "imgcls.plugins",
    ),
    "imgcls.component": (
        "imgcls.recipe",
        "imgcls.plan",
        "imgcls.data",
        "imgcls.train",
        "imgcls.on_ray",
        "imgcls.cli",
    ),
    "imgcls.plugins": (
        "imgcls.recipe",
        "imgcls.plan",
        "imgcls.data",
        "imgcls.train",
        "imgcls.on_ray",
        "imgcls.cli",
    ),
    "imgcls.run_folder": ("imgcls.recipe", "imgcls.plan", "imgcls.data", "imgcls.train", "imgcls.on_ray"),
    "imgcls.storage": (
        "imgcls.recipe",
        "imgcls.data",
        "imgcls.train",
        "imgcls.on_ray",
        "imgcls.cli",
        "imgcls.report",
    ),
    "imgcls.prove": ("imgcls.cli", "imgcls.train", "imgcls.data", "imgcls.recipe"),
    "imgcls.tuning": ("imgcls.train", "imgcls.on_ray", "imgcls.cli", "imgcls.report"),
    "imgcls.doctor": ("imgcls.cli", "imgcls.train", "imgcls.on_ray", "imgcls.report"),
    "imgcls.lock": ("imgcls.cli", "imgcls.train", "imgcls.on_ray"),
    "imgcls.report": (
        "imgcls.recipe",
        "imgcls.plan",
        "imgcls.data",
        "imgcls.train",
        "imgcls.on_ray",
        "imgcls.cli",
    ),
}


@pytest.mark.parametrize("room", ABOVE)
def test_arrows_point_one_way(room):
    assert within(room)
    assert offenders(within(room), *ABOVE[room]) == []


def test_the_core_knows_no_plugin_by_name():
    names = sorted(path.name for path in (ROOT / "plugins").iterdir() if path.name.startswith("imgcls_"))
    assert offenders(CORE, *names) == []


def test_plugins_know_of_the_core_no_recipe_no_run_and_no_ray():
    rooms = ("imgcls.recipe", "imgcls.plan", "imgcls.plugins", "imgcls.on_ray", "imgcls.cli", "imgcls.run_folder")
    assert offenders(PLUGINS, *rooms) == []


def test_entry_modules_of_plugins_import_only_imgcls_and_the_standard_library():
    entries = [path for path in PLUGINS if path.name == "__init__.py" and path.parent.parent.name == "plugins"]
    assert entries
    for path in entries:
        for found in IMPORTS[path]:
            if found.at_top:
                assert found.module.partition(".")[0] in {"imgcls", "click", *sys.stdlib_module_names}, (
                    f"{path}:{found.line}"
                )


def test_models_and_transforms_are_our_own():
    assert offenders(FILES, "timm", "torchvision", "composer", "mmpretrain", "mmcv") == []


def test_nothing_is_unpickled_or_evaluated():
    assert offenders(FILES, "pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib") == []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "__import__"), f"{path}:{node.lineno}"
            if called == "torch.load":
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get("weights_only") == "True", f"{path}:{node.lineno}"
            if called in ("np.load", "numpy.load"):
                assert "allow_pickle" not in {word.arg for word in node.keywords}, f"{path}:{node.lineno}"


HEAVY = {"torch", "ray", "nvidia", "numpy", "pydantic", "pyarrow", "PIL", "sklearn"}
ASK = """
import json, sys
sys.argv = ["imgcls", *sys.argv[1:]]
from imgcls.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported_by(*words):
    ended = subprocess.run([sys.executable, "-c", ASK, *words], capture_output=True, text=True, check=True)
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("words", [("--help",), ("launch", "--help"), ("--version",)])
def test_help_imports_nothing_heavy(words):
    assert imported_by(*words) & (HEAVY | {"rich"}) == set()


@pytest.mark.parametrize("words", [("plugins",), ("models",), ("models", "--json"), ("datasets",)])
def test_listing_what_is_there_imports_no_framework(words):
    assert imported_by(*words) & {"torch", "ray", "nvidia", "sklearn"} == set()


@pytest.mark.parametrize("words", [("recipe", "check", "imagenet_resnet50"), ("recipe", "show", "digits_lenet")])
def test_reading_a_recipe_imports_no_framework(words):
    assert imported_by(*words) & {"torch", "ray", "nvidia", "sklearn"} == set()


def test_doctor_on_this_machine_imports_no_framework(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert imported_by("doctor") & {"torch", "ray", "nvidia", "sklearn"} == set()


def test_a_worker_without_ray_looks_for_no_plugins():
    code = "import sys, imgcls.train.loop; print([m for m in sys.modules if m in ('ray', 'imgcls.plugins')])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_plugins_print_nothing():
    for path in PLUGINS:
        assert not re.search(r"^\s*print\(", path.read_text(encoding="utf-8"), re.MULTILINE), path
