import sys
from dataclasses import FrozenInstanceError

import pytest

import imgcls
from imgcls.component import Component, NoOptions, load, options, reference_to


@options
class Plain:
    value: int = 1


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"made_component_{abs(hash(request.node.name))}"

    def write(source):
        (tmp_path / f"{name}.py").write_text(source)
        return name

    yield write
    sys.modules.pop(name, None)


def test_load_returns_what_the_reference_names(module):
    assert load(f"{module('thing = 7')}:thing") == 7


@pytest.mark.parametrize("reference", ["", "module", "os.path"])
def test_a_reference_without_an_attribute_is_refused(reference):
    with pytest.raises(ImportError, match=f"'{reference}' is not of the form 'module:attribute'"):
        load(reference)


def test_a_missing_module_and_a_missing_attribute_are_import_errors(module):
    with pytest.raises(ImportError, match="nothing_of_this_name"):
        load("nothing_of_this_name:build")
    name = module("")
    with pytest.raises(ImportError, match=f"module '{name}' has no 'build'"):
        load(f"{name}:build")


def test_a_module_that_fails_is_not_said_to_lack_the_attribute(module):
    name = module("import math\nmath.nothing_there\n\ndef build(): ...\n")
    with pytest.raises(Exception, match="nothing_there"):
        load(f"{name}:build")


@pytest.mark.parametrize("cls", [NoOptions, Component])
def test_a_reference_to_a_class_finds_it_again(cls):
    assert load(reference_to(cls)) is cls


def test_a_reference_to_a_class_within_a_class_finds_it_again(module):
    name = module("class Outer:\n    class Inner:\n        pass\n")
    inner = load(f"{name}:Outer").Inner
    assert load(reference_to(inner)) is inner


def test_options_are_frozen_named_and_have_no_other_attributes():
    made = Plain(value=3)
    with pytest.raises(FrozenInstanceError):
        made.value = 4
    with pytest.raises(TypeError):
        Plain(3)
    with pytest.raises(TypeError):
        Plain(other=3)
    assert not hasattr(made, "__dict__")


def test_all_that_is_promised_is_there():
    for name in imgcls.__all__:
        assert getattr(imgcls, name) is not None


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'imgcls' has no attribute 'Callbak'"):
        imgcls.Callbak  # noqa: B018
