"""`imgcls models`: the table, and what one model costs."""

import json

import pytest


def test_the_table_is_sorted_as_asked_and_filtered_by_a_pattern(run_imgcls):
    ended = run_imgcls("models", "resnet[0-9]*", "--sort", "params")
    assert ended.returncode == 0, ended.stderr
    header, *lines = ended.stdout.splitlines()
    assert header.split() == ["model", "params", "M", "MACs", "G", "px", "top-1", "year", "paper"]
    millions = [float(line.split()[1]) for line in lines]
    assert millions == sorted(millions)
    names = [line.split()[0] for line in lines]
    assert {"resnet18", "resnet50", "resnet152"} <= set(names)
    assert all(name.startswith("resnet") for name in names)


def test_by_name_numbers_count_as_numbers(run_imgcls):
    names = [line.split()[0] for line in run_imgcls("models", "resnet*").stdout.splitlines()[1:]]
    assert names.index("resnet18") < names.index("resnet50") < names.index("resnet101")


def test_json_is_an_array_of_facts(run_imgcls):
    rows = json.loads(run_imgcls("models", "resnet50", "--json").stdout)
    assert [row["name"] for row in rows] == ["resnet50"]
    facts = rows[0]["facts"]
    assert facts["params_m"] == 25.557032
    assert facts.keys() >= {
        "year", "paper", "params_m", "macs_g", "input_size", "eval_resize", "interpolation", "mean", "std",
        "top1", "source",
    }  # fmt: skip


def test_show_measures_and_names_the_recipe(run_imgcls):
    ended = run_imgcls("models", "show", "resnet50", "--batch-size", "32", "--json")
    assert ended.returncode == 0, ended.stderr
    shown = json.loads(ended.stdout)
    measured = shown["measured"]
    assert measured["parameters"] == 25_557_032
    assert measured["macs"] == pytest.approx(4.089e9, rel=0.002)
    assert measured["layers"] == [["Conv2d", 53], ["Linear", 1]]
    assert measured["weights"] == 4 * 25_557_032
    assert "imagenet_resnet50" in shown["recipes"]
    parts = {part["name"]: part for part in measured["parts"]}
    assert parts["layer4"]["output"] == [2048, 7, 7]
    assert sum(part["parameters"] for part in parts.values()) == 25_557_032
    assert sum(part["macs"] for part in parts.values()) == measured["macs"]
    text = run_imgcls("models", "show", "lenet5", "--depth", "0").stdout
    assert "61,706" in text
    assert "recipes: digits_lenet" in text


def test_a_model_that_is_not_there_and_a_wrong_order_are_named(run_imgcls):
    ended = run_imgcls("models", "show", "resnet51")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "did you mean" in ended.stderr
    assert run_imgcls("models", "--sort", "size2").returncode == 2
    assert run_imgcls("models", "nothing*").returncode == 2
