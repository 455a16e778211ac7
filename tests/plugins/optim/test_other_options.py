"""A checkpoint continued with other options: the new ones hold, state and counts are the old ones, to the bit."""

from __future__ import annotations

import json

import pytest
import torch
from tests.plugins.optim.test_checkpoint import network, updates

from imgcls.component import load
from imgcls.train.checkpoint import Checkpoints, State
from imgcls.train.groups import Groups
from imgcls_optim.optimizers import COMPONENTS

BY_NAME = {component.name: component for component in COMPONENTS}
NEW = {"weight_decay": 0.2, "lr": 0.003}
# name -> options at first, what is then another, and what that is called in the optimizer's groups
CHANGED = {
    "sgd": ({}, {"momentum": 0.5, "nesterov": False}, {"momentum": 0.5, "nesterov": False}),
    "adamw": ({}, {"betas": (0.7, 0.9), "eps": 1e-3}, {"betas": (0.7, 0.9), "eps": 1e-3}),
    "rmsprop": ({"momentum": 0.9}, {"alpha": 0.5, "momentum": 0.3}, {"alpha": 0.5, "momentum": 0.3}),
    "rmsprop_tf": ({}, {"alpha": 0.5, "momentum": 0.3}, {"alpha": 0.5, "momentum": 0.3}),
    "lars": ({}, {"momentum": 0.5, "trust": 0.1}, {"momentum": 0.5, "trust": 0.1}),
    "lamb": ({}, {"betas": (0.7, 0.9)}, {"betas": (0.7, 0.9)}),
    "lion": ({}, {"betas": (0.7, 0.9)}, {"betas": (0.7, 0.9)}),
    "adan": ({}, {"betas": (0.9, 0.8, 0.7)}, {"betas": (0.9, 0.8, 0.7)}),
    "muon": ({}, {"momentum": 0.5, "iterations": 3}, {"momentum": 0.5, "ns_steps": 3}),
    "sam": ({}, {"momentum": 0.5, "rho": 0.2}, {"momentum": 0.5}),
}


def built(name, net, **options):
    component = BY_NAME[name]
    chosen = {"lr": 0.01, "weight_decay": 0.05, "layer_decay": 0.7, **options}
    optimizer = load(component.build)(component.options(**chosen), model=net)
    return optimizer, Groups.of(optimizer, net)


def saved(folder, net, optimizer, groups):
    checkpoints = Checkpoints(folder, keep=1, warn=pytest.fail)
    checkpoints.save(net, optimizer, State(step=3), "{}", groups=groups)
    checkpoints.finish()
    return checkpoints


def fresh(name, **options):
    net = network(torch.contiguous_format)
    return net, *built(name, net, **options)


def assert_same(one, other):
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def as_json(optimizer):
    return json.loads(json.dumps(optimizer.state_dict()["param_groups"]))


def test_every_optimizer_is_tried():
    assert CHANGED.keys() == BY_NAME.keys()


@pytest.mark.parametrize("name", CHANGED)
def test_with_the_same_options_no_bit_and_no_setting_changes(tmp_path, name):
    before, *_ = CHANGED[name]
    whole, of_whole, _ = fresh(name, **before)
    updates(whole, of_whole, range(6))
    half, of_half, groups = fresh(name, **before)
    updates(half, of_half, range(3))
    checkpoints = saved(tmp_path, half, of_half, groups)

    for used in (False, True):  # as in a new process; and as where a run goes back after a loss that is no number
        rest, of_rest, groups = fresh(name, **before)
        if used:
            updates(rest, of_rest, range(90, 93))
        checkpoints.restore(3, rest, of_rest, groups)
        assert as_json(of_rest) == as_json(of_half)
        updates(rest, of_rest, range(3, 6))
        assert_same(whole, rest)
        assert as_json(of_rest) == as_json(of_whole)


@pytest.mark.parametrize("name", CHANGED)
def test_other_options_hold_and_counts_go_on(tmp_path, name):
    before, after, in_groups = CHANGED[name]
    half, of_half, groups = fresh(name, **before)
    updates(half, of_half, range(3))
    checkpoints = saved(tmp_path, half, of_half, groups)

    rest, of_rest, groups = fresh(name, **{**before, **after, **NEW})
    asked = [dict(group) for group in of_rest.param_groups]
    checkpoints.restore(3, rest, of_rest, groups)
    for number, (group, wanted) in enumerate(zip(of_rest.param_groups, asked, strict=True)):
        counts = {"step": 3} if name in ("rmsprop_tf", "lars", "lamb", "lion", "adan") else {}
        expected = {**wanted, **counts, "initial_lr": wanted["lr"], "params": group["params"]}
        assert {**group} == expected
        assert list(map(id, group["params"])) == list(map(id, wanted["params"])), number
    assert any(group.get("weight_decay") == 0.2 for group in of_rest.param_groups)

    # as if the optimizer that made the first three updates had been given these options in mid-run
    for mine, theirs in zip(of_half.param_groups, of_rest.param_groups, strict=True):
        new = {"weight_decay": theirs["weight_decay"], "initial_lr": theirs["lr"], **in_groups}
        mine.update({key: value for key, value in new.items() if key in theirs})
    if name == "sam":
        of_half._rho = 0.2
    updates(half, of_half, range(3, 6))
    updates(rest, of_rest, range(3, 6))
    assert_same(half, rest)

    other, of_other, groups = fresh(name, **before)
    checkpoints.restore(3, other, of_other, groups)
    updates(other, of_other, range(3, 6))
    assert not torch.equal(other[0].weight, rest[0].weight)


def by_name(net, optimizer):
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return {names[id(parameter)]: entry for parameter, entry in optimizer.state.items()}


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb", "muon"])
def test_options_that_sort_parameters_into_other_groups_leave_each_its_own_state(tmp_path, name):
    one_group = {"weight_decay": 0.0, "layer_decay": 1.0, "decay_norm_and_bias": False}
    many = {"weight_decay": 0.1, "layer_decay": 0.5, "decay_norm_and_bias": False}
    for number, (first, then) in enumerate(((one_group, many), (many, one_group))):
        half, of_half, groups = fresh(name, **first)
        updates(half, of_half, range(3))
        checkpoints = saved(tmp_path / str(number), half, of_half, groups)
        rest, of_rest, groups = fresh(name, **then)
        assert len(of_rest.param_groups) != len(of_half.param_groups)
        checkpoints.restore(3, rest, of_rest, groups)
        mine, theirs = by_name(half, of_half), by_name(rest, of_rest)
        assert mine.keys() == theirs.keys() == dict(half.named_parameters()).keys()
        for parameter, entry in mine.items():
            assert entry.keys() == theirs[parameter].keys()
            for key, value in entry.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(theirs[parameter][key])), (
                    parameter,
                    key,
                )
        if name == "lamb":
            assert {group["step"] for group in of_rest.param_groups} == {3}
        updates(rest, of_rest, range(3, 5))


def test_what_was_frozen_begins_without_a_state_and_what_is_frozen_now_leaves_none(tmp_path):
    net = network(torch.contiguous_format)
    net[0].requires_grad_(False)
    optimizer, groups = built("adamw", net)
    updates(net, optimizer, range(3))
    checkpoints = saved(tmp_path, net, optimizer, groups)
    rest = network(torch.contiguous_format)
    rest[5].requires_grad_(False)
    of_rest, groups = built("adamw", rest)
    checkpoints.restore(3, rest, of_rest, groups)
    assert by_name(rest, of_rest).keys() == {"1.weight", "1.bias", "3.weight", "3.bias"}
    updates(rest, of_rest, range(3, 5))
    steps = {name: int(entry["step"]) for name, entry in by_name(rest, of_rest).items()}
    assert steps == {"0.weight": 2, "0.bias": 2, "1.weight": 5, "1.bias": 5, "3.weight": 5, "3.bias": 5}


def test_a_checkpoint_of_before_groups_were_written_is_restored_as_it_was_then(tmp_path):
    half, of_half, _ = fresh("sgd")
    updates(half, of_half, range(3))
    checkpoints = saved(tmp_path, half, of_half, None)
    rest, of_rest, groups = fresh("sgd", momentum=0.5)
    checkpoints.restore(3, rest, of_rest, groups)
    assert {group["momentum"] for group in of_rest.param_groups} == {0.9}


def test_what_a_callback_changed_in_a_group_is_restored_too(tmp_path):
    half, of_half, groups = fresh("sgd")
    updates(half, of_half, range(3))
    of_half.param_groups[0]["momentum"] = 0.77
    checkpoints = saved(tmp_path, half, of_half, groups)
    rest, of_rest, groups = fresh("sgd")
    checkpoints.restore(3, rest, of_rest, groups)
    assert [group["momentum"] for group in of_rest.param_groups[:2]] == [0.77, 0.9]
