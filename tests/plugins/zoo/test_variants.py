"""What holds for every variant of the catalogue."""

import itertools
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.plugins.zoo.models import (
    BY_NAME,
    built,
    count,
    loss_of,
    main_logits,
    marked,
    meta_of,
    multiply_adds,
    on_meta,
    smallest_of_each_family,
)

from imgcls_zoo.catalog import MODELS

NAMES = sorted(BY_NAME)
SMALLEST = smallest_of_each_family()
PUBLISHED = {
    row["model"]: row
    for lines in [
        [line.split("\t") for line in (Path(__file__).parent / "paddleclas.tsv").read_text().splitlines()]
    ]
    for row in [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
}
# those whose numbers are really computed on two cores; the others run on the meta device, which knows shapes alone
SMALL = [name for name in NAMES if BY_NAME[name].facts["params_m"] < 30 and BY_NAME[name].facts["macs_g"] < 6]


EVERY, EVERY_SMALL = marked(NAMES), marked(sorted({*SMALL, *SMALLEST}))
EVERY_FAMILY = marked(SMALLEST)


def facts(name):
    return BY_NAME[name].facts


def sizes(name):
    """The size of the facts, and another that every stride divides, small where numbers are computed."""
    own = facts(name)["input_size"]
    if own < 64:
        return own, own + 8
    return own, 64 if own <= 256 else own // 2 // 32 * 32


def test_names_are_unique_and_lower_case():
    assert len(BY_NAME) == len(MODELS)
    assert all(name == name.lower() and name.replace("_", "").isalnum() for name in NAMES)


def test_the_catalogue_imports_no_torch():
    code = "import sys, imgcls_zoo.catalog as c; assert c.MODELS; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", NAMES)
def test_facts_go_together(name):
    known = facts(name)
    assert len(known["mean"]) == len(known["std"]) == known["channels"]
    assert known["eval_resize"] >= known["input_size"]
    assert 1989 < known["year"] < 2027
    assert known["paper"]
    assert known["top1"] is None or 40 < known["top1"] < 91
    assert known["source"]


@pytest.mark.parametrize("name", EVERY)
def test_parameters_are_the_counted_ones(name):
    found = count(meta_of(name))
    assert found == round(facts(name)["params_m"] * 1e6)
    theirs = PUBLISHED.get(facts(name)["paddleclas"])
    if theirs and theirs["params_code_m"] and f"{found / 1e6:.3f}" != theirs["params_code_m"]:
        assert facts(name)["note"], f"{found:,}, PaddleClas has {theirs['params_code_m']} M: the row must say why"


@pytest.mark.parametrize("name", EVERY)
def test_multiply_adds_are_within_3_percent_of_the_published(name):
    known = facts(name)
    found = multiply_adds(meta_of(name), known["channels"], known["input_size"])
    assert found == pytest.approx(known["macs_g"], rel=0.03)
    theirs = PUBLISHED.get(known["paddleclas"])
    if theirs and theirs["flops_g"] and abs(found / float(theirs["flops_g"]) - 1) > 0.03:
        assert known["note"], f"{found:.4g}, PaddleClas has {theirs['flops_g']}: the row must say why"


def test_every_name_of_paddleclas_is_given_once():
    given = [facts(name)["paddleclas"] for name in NAMES if facts(name)["paddleclas"]]
    assert len(given) == len(set(given))
    assert set(given) <= PUBLISHED.keys()


@pytest.mark.parametrize("name", EVERY)
def test_other_classes_and_channels_change_the_head_and_the_stem_alone(name):
    own = {key: tensor.shape for key, tensor in on_meta(name, 1000, 3).state_dict().items()}
    other = {key: tensor.shape for key, tensor in on_meta(name, 7, 4).state_dict().items()}
    assert own.keys() == other.keys()
    changed = [key for key in own if own[key] != other[key]]
    assert any(other[key][0] == 7 for key in changed)
    assert any(len(other[key]) == 4 and 4 in other[key][:2] for key in changed)
    assert all(other[key][0] in (7, 4) or other[key][1] == 4 for key in changed)


@pytest.mark.parametrize("name", EVERY)
def test_shapes_at_two_sizes_in_float32_and_bf16_on_meta(name):
    model = on_meta(name, 7, 3).train()
    both = torch.float32, torch.bfloat16
    # of what is also computed in numbers, each size once
    cases = zip(sizes(name), both, strict=True) if name in SMALL else itertools.product(sizes(name), both)
    labels = torch.zeros(2, dtype=torch.int64, device="meta")
    for size, precision in cases:
        model.to(precision)
        outputs = model(torch.zeros(2, 3, size, size, device="meta", dtype=precision))
        assert main_logits(outputs).shape == (2, 7)
        assert main_logits(outputs).dtype == precision
        loss_of(outputs, labels).backward()
        unreached = [key for key, parameter in model.named_parameters() if parameter.grad is None]
        assert unreached == []
        model.zero_grad()


@pytest.mark.parametrize("name", EVERY_SMALL)
def test_training_moves_every_parameter_in_float32_and_bf16(name):
    channels, size = facts(name)["channels"], min(sizes(name))
    # what starts a branch as nothing leaves all before it without a gradient in the first step
    ones = {key: False for key in ("zero_init_residual",) if hasattr(BY_NAME[name].defaults, key)}
    model = built(name, 7, channels, **ones).train()
    for parameter in model.parameters():
        if not parameter.detach().any():  # zero by design: a bias, a gate
            torch.nn.init.normal_(parameter, std=0.1)
        elif parameter.detach().abs().max() < 1e-3:  # layer scale
            torch.nn.init.constant_(parameter, 0.5)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(4, channels, size, size, generator=generator)
    labels = torch.arange(4) % 7
    loss = loss_of(model(images), labels)
    loss.backward()
    dead = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    if dead:  # a shift right before a batch norm has no gradient while that is by the batch's own mean
        model.zero_grad()
        loss_of(model.eval()(images), labels).backward()
        dead = [key for key, p in model.named_parameters() if key in dead and not p.grad.abs().sum() > 0]
        model.train()
    assert dead == []
    assert math.isfinite(loss.item())
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(images)
    loss = loss_of(outputs, labels)
    loss.backward()
    assert math.isfinite(loss.item())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", EVERY_SMALL)
def test_the_first_loss_is_that_of_a_guess(name):
    classes, channels, size = facts(name)["classes"], facts(name)["channels"], min(sizes(name))
    model = built(name).train()
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, channels, size, size, generator=generator)
    with torch.no_grad():
        logits = main_logits(model(images))
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(8) * 7 % classes).item()
    assert abs(loss - math.log(classes)) < 0.6


@pytest.mark.parametrize("name", EVERY_SMALL)
def test_a_state_dict_goes_round_through_a_file(name, tmp_path):
    first, file = built(name, 7), tmp_path / "x.safetensors"
    save_file({key: tensor.clone() for key, tensor in first.state_dict().items()}, file)
    second = on_meta(name, 7)
    second.load_state_dict(load_file(file), assign=True)
    mine, theirs = first.state_dict(), second.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in mine.items())


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_loaded_weights_give_the_same_answers(name):
    first = built(name, 7)
    second = built(name, 7)
    for parameter in second.parameters():
        torch.nn.init.normal_(parameter)
    second.load_state_dict(first.state_dict())
    images = torch.randn(1, facts(name)["channels"], min(sizes(name)), min(sizes(name)))
    with torch.no_grad():
        assert torch.equal(first.eval()(images), second.eval()(images))


@pytest.mark.parametrize("name", EVERY)
def test_torch_exports_it(name):
    size = facts(name)["input_size"]
    model = meta_of(name).eval()
    images = torch.zeros(2, facts(name)["channels"], size, size, device="meta")
    exported = torch.export.export(model, (images,), strict=False)
    (logits,) = [node.meta["val"] for node in exported.graph.output_node().args[0]]
    assert logits.shape == (2, facts(name)["classes"])


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_the_smallest_are_compiled_without_a_graph_break(name):
    size = min(sizes(name))
    torch._dynamo.reset()
    model = torch.compile(built(name, 7).train(), fullgraph=True, backend="eager")
    outputs = model(torch.randn(2, facts(name)["channels"], size, size))
    assert main_logits(outputs).shape == (2, 7)
    loss_of(outputs, torch.zeros(2, dtype=torch.int64)).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
