"""Multi-head self-attention: Vaswani et al., 2017, arXiv:1706.03762."""

from torch import Tensor, nn
from torch.nn import functional


def attend(
    qkv: Tensor, heads: int, bias: Tensor | None = None, dropout: float = 0.0, scale: float | None = None
) -> Tensor:
    """Return what each token gathers from all tokens.

    Args:
        qkv: (N, tokens, 3 * width), queries, keys and values side by side.
        heads: divides the width.
        bias: added to the scores before the softmax; broadcast to (N, heads, tokens, tokens).
        dropout: probability of leaving a score out.
        scale: of the scores; unset: one over the root of a head's width.

    Returns:
        (N, tokens, width).
    """
    n, tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    query, key, value = qkv.view(n, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4).unbind(0)
    gathered = functional.scaled_dot_product_attention(query, key, value, bias, dropout, scale=scale)
    return gathered.transpose(1, 2).reshape(n, tokens, width)


class Attention(nn.Module):
    """Self-attention with one fully connected layer for queries, keys and values (``qkv``), one after (``proj``).

    Args:
        width: of the tokens.
        heads: divides the width.
        qkv_bias: whether the first layer has a bias.
        dropout: after the second layer.
        attention_dropout: of scores.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        qkv_bias: bool = True,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.attention_dropout = attention_dropout
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """(N, tokens, width) to the same shape; the bias is as of :func:`attend`."""
        dropout = self.attention_dropout if self.training else 0.0
        return self.drop(self.proj(attend(self.qkv(x), self.heads, bias, dropout)))  # type: ignore[no-any-return]
