import torch
from tests.plugins.zoo.models import built

from imgcls import WithAuxiliary


def test_a_distilled_one_trains_two_heads_and_answers_their_mean():
    model = built("deit_tiny_distilled", 7, drop_path=0.0, distillation_weight=0.25)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        trained = model.train()(images)
        answered = model.eval()(images)
    assert isinstance(trained, WithAuxiliary)
    ((weight, distilled),) = trained.auxiliary
    assert weight == 0.25
    assert not torch.allclose(trained.logits, distilled)
    torch.testing.assert_close(answered, (trained.logits + distilled) / 2)


def test_the_second_head_reads_the_distillation_token_alone():
    model = built("deit_tiny_distilled", 7, depth=0, drop_path=0.0).train()
    images = torch.randn(1, 3, 32, 32)
    before = model(images)
    with torch.no_grad():
        model.dist_token += 1
    after = model(images)
    assert torch.equal(before.logits, after.logits)
    assert not torch.allclose(before.auxiliary[0][1], after.auxiliary[0][1])


def test_positions_are_interpolated_behind_both_first_tokens():
    small, large = built("deit_tiny_distilled", 7), built("deit_tiny_distilled", 7, image_size=256)
    state = small.state_dict()
    state["pos_embed"] = large.adapted("pos_embed", state["pos_embed"])
    large.load_state_dict(state)
    assert torch.equal(large.pos_embed[:, :2], small.pos_embed[:, :2])
    images = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        torch.testing.assert_close(small.eval()(images), large.eval()(images))
    assert large.adapted("pos_embed", torch.zeros(1, 1 + 196, 192)) is None
    assert large.adapted("cls_token", torch.zeros(1, 1, 384)) is None


def test_blocks_are_dropped_at_rates_that_rise_to_the_papers():
    rates = [block.drop_path.probability for block in built("deit_tiny").blocks]
    assert rates[0] == 0
    assert rates[-1] == 0.1
    assert rates == sorted(rates)
