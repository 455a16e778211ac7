from __future__ import annotations

import sys
import textwrap
from importlib.metadata import Distribution, EntryPoint

import pytest

from imgcls.plugins import KINDS, Plugins, UnknownComponent

HOOKS = [
    "imgcls_models", "imgcls_datasets", "imgcls_augmentations", "imgcls_optimizers",
    "imgcls_schedules", "imgcls_losses", "imgcls_trackers", "imgcls_callbacks",
]  # fmt: skip


@pytest.fixture
def point(tmp_path, monkeypatch):
    """Return a function that installs a module under a distribution and returns its entry point."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(plugin: str, source: str, distribution: str = "acme-pack", module: str = "") -> EntryPoint:
        module = module or f"made_{plugin}_{distribution.replace('-', '_')}"
        imports = "from imgcls import Component, hookimpl, options\n\n"
        (tmp_path / f"{module}.py").write_text(imports + textwrap.dedent(source))
        info = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        return EntryPoint(plugin, module, "imgcls")._for(Distribution.at(info))

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("made_"):
            del sys.modules[name]


GOOD = """
    @hookimpl
    def imgcls_models():
        return [Component("tiny", "made:build"), Component("small", "made:build")]
"""


def test_a_component_of_a_stranger_is_named_after_its_plugin(point):
    plugins = Plugins([point("acme", GOOD)])
    assert list(plugins.components("models")) == ["acme:tiny", "acme:small"]
    found = plugins.find("models", "acme:tiny")
    assert (found.name, found.plugin, found.origin) == ("acme:tiny", "acme", "acme-pack 1.2")
    assert plugins.broken == []


def test_a_component_of_imgcls_itself_has_a_bare_name(point):
    plugins = Plugins([point("acme", GOOD, "imgcls")])
    assert list(plugins.components("models")) == ["tiny", "small"]


def test_a_stranger_cannot_take_a_name_of_imgcls_or_of_another_stranger(point):
    points = [point("zoo", GOOD, "imgcls"), point("acme", GOOD), point("more", GOOD, "more-pack")]
    assert list(Plugins(points).components("models")) == [
        "acme:tiny", "acme:small", "more:tiny", "more:small", "tiny", "small",
    ]  # fmt: skip


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_brings_components_of_its_kind(point, hook):
    plugins = Plugins(
        [point("acme", f'@hookimpl\ndef {hook}():\n    yield Component("x", "made:build", summary="{hook}")\n')]
    )
    kind = hook.removeprefix("imgcls_")
    assert plugins.hooks(plugins.loaded[0]) == [hook]
    assert {k: list(plugins.components(k)) for k in KINDS} == {**dict.fromkeys(KINDS, []), kind: ["acme:x"]}


# what is wrong with a plugin -> its source, and what is said of it
BROKEN = {
    "the import fails": ("import nothing_of_this_name\n", "No module named 'nothing_of_this_name'"),
    "the import raises": ("raise RuntimeError('no license')\n", "RuntimeError: no license"),
    "the import exits": ("import sys\nsys.exit('needs another Python')\n", "needs another Python"),
    "no Python": ("def (:\n", "SyntaxError"),
    "a misspelt hook": ("@hookimpl\ndef imgcls_modles():\n    return []\n", "imgcls_modles"),
    "a hook with an argument": ("@hookimpl\ndef imgcls_models(recipe):\n    return []\n", "recipe"),
    "a hook that raises": ("@hookimpl\ndef imgcls_models():\n    raise OSError('no catalogue')\n", "no catalogue"),
    "a hook that ends in the middle": (
        "@hookimpl\ndef imgcls_models():\n    yield Component('x', 'a:b')\n    raise OSError('half')\n",
        "OSError: half",
    ),
    "a hook that returns nothing": ("@hookimpl\ndef imgcls_models():\n    pass\n", "NoneType"),
    "no components": ("@hookimpl\ndef imgcls_models():\n    return ['resnet']\n", "'str'"),
    "a name twice": (
        "@hookimpl\ndef imgcls_models():\n    return [Component('x', 'a:b'), Component('x', 'a:c')]\n",
        "model 'x' is there twice",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_kept_apart_and_named_where_it_matters(point, fault):
    source, said = BROKEN[fault]
    plugins = Plugins([point("bad", source, "bad-pack"), point("acme", GOOD)])
    assert list(plugins.components("models")) == ["acme:tiny", "acme:small"]
    assert [loaded.plugin for loaded in plugins.loaded] == ["acme"]
    (broken,) = plugins.broken
    assert (broken.plugin, broken.distribution, broken.version) == ("bad", "bad-pack", "1.2")
    assert said in broken.error
    with pytest.raises(UnknownComponent) as caught:
        plugins.find("models", "bad:x")
    assert "note: the plugin 'bad' of bad-pack 1.2 could not be loaded: " in str(caught.value)
    assert said in str(caught.value)


def test_the_error_of_a_plugin_says_where_it_happened(point, tmp_path):
    plugins = Plugins([point("bad", "x = 1\nraise RuntimeError('no')\n")])
    assert plugins.broken[0].error == f"RuntimeError: no ({tmp_path}/made_bad_acme_pack.py:4)"


def test_a_plugin_that_breaks_in_one_kind_is_out_of_all_kinds_whichever_is_asked_first(point):
    source = GOOD + "\n    @hookimpl\n    def imgcls_losses():\n        raise OSError('x')\n"
    first = Plugins([point("bad", source)])
    first.components("losses")
    second = Plugins([point("bad", source)])
    second.components("models")
    second.components("losses")
    assert list(first.components("models")) == []
    assert list(second.components("models")) == []


def test_of_two_packages_with_one_plugin_name_neither_is_loaded_and_both_are_named(point):
    one, two = point("acme", GOOD, "one-pack"), point("acme", GOOD, "two-pack")
    for points in ([one, two], [two, one]):
        plugins = Plugins([*points, point("fine", GOOD, "fine-pack")])
        assert [loaded.plugin for loaded in plugins.loaded] == ["fine"]
        assert [broken.distribution for broken in plugins.broken] == ["one-pack", "two-pack"]
        for broken in plugins.broken:
            assert broken.error.startswith(
                "the packages 'one-pack' and 'two-pack' both claim the plugin name 'acme'; uninstall"
            )


def test_a_package_that_claims_a_plugin_name_of_imgcls_is_named_with_it(point):
    plugins = Plugins([point("zoo", GOOD, "imgcls"), point("zoo", GOOD, "evil-pack")])
    assert list(plugins.components("models")) == []
    assert {broken.distribution for broken in plugins.broken} == {"imgcls", "evil-pack"}


def test_two_plugins_of_imgcls_with_one_component_name_are_told_apart_by_name(point):
    source = "@hookimpl\ndef imgcls_models():\n    return [Component('tiny', 'a:b')]\n"
    plugins = Plugins([point("a", source, "imgcls", "made_a"), point("b", source, "imgcls", "made_b")])
    assert plugins.components("models")["tiny"].plugin == "a"
    assert [broken.plugin for broken in plugins.broken] == ["b"]
    assert "tiny" in plugins.broken[0].error


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("models", "tiny", "unknown model 'tiny'; did you mean 'acme:tiny'?"),
        ("models", "acme:tiney", "unknown model 'acme:tiney'; did you mean 'acme:tiny'?"),
        ("models", "resnet", "unknown model 'resnet'; did you mean 'resnet9'?"),
        ("models", "zoo:resnet9", "unknown model 'zoo:resnet9'; did you mean 'resnet9'?"),
        ("losses", "resnet9", "unknown loss 'resnet9'; 'resnet9' is a model, not a loss"),
        ("optimizers", "resnet9", "unknown optimizer 'resnet9'; 'resnet9' is a model, not an optimizer"),
        ("models", "qqq", "unknown model 'qqq'; `imgcls models` lists them"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(point, kind, name, said):
    own = "@hookimpl\ndef imgcls_models():\n    return [Component('resnet9', 'a:b')]\n"
    plugins = Plugins([point("acme", GOOD), point("zoo", own, "imgcls", "made_zoo")])
    with pytest.raises(UnknownComponent) as caught:
        plugins.find(kind, name)
    assert str(caught.value) == said


def test_a_lazy_module_is_not_forced_to_load_what_it_puts_off(point):
    source = """
        def __getattr__(name):
            raise RuntimeError(f"{name} was asked for")

        def __dir__():
            return ["imgcls_models", "heavy"]

        @hookimpl
        def imgcls_models():
            return [Component("x", "a:b")]
    """
    plugins = Plugins([point("lazy", source)])
    assert plugins.broken == []
    assert list(plugins.components("models")) == ["lazy:x"]


def test_hooks_are_called_once_a_kind(point):
    source = """
        calls = []

        @hookimpl
        def imgcls_models():
            calls.append(1)
            return []
    """
    plugins = Plugins([point("acme", source)])
    assert plugins.loaded[0].module.calls == []
    plugins.components("models")
    plugins.components("models")
    assert plugins.loaded[0].module.calls == [1]
