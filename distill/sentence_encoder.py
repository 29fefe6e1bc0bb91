"""The student as a torch module: a BERT whose last layer is computed for one position only, the mean of all.

Attention of the last layer asks with the mean token state and reads every token: the layer costs a sixth of a full
one, and pooling is learnt instead of given (docs/decisions/0007-pooled-last-layer.md). Weights carry BERT's names.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from distill.encoder_folder import EncoderConfig


class PooledEncoder(nn.Module):
    """Token ids to unit vectors.

    Args:
        config: of a BERT encoder; `layers` counts the pooled one.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Layers(config)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embed a batch.

        Args:
            input_ids: int64 (batch, sequence).
            attention_mask: int64 (batch, sequence), 1 for tokens, 0 for padding.

        Returns:
            float32 (batch, hidden), rows of unit L2 length.
        """
        state = self.embeddings(input_ids)
        visible = attention_mask[:, None, None, :].bool()
        *full, last = self.encoder.layer
        for layer in full:
            state = layer(state, state, visible)
        weight = attention_mask[:, :, None].to(state.dtype)
        mean = (state * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
        return functional.normalize(last(mean, state, visible)[:, 0].float(), dim=-1)


class _Embeddings(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocabulary, config.hidden)
        self.position_embeddings = nn.Embedding(config.max_positions, config.hidden)
        self.token_type_embeddings = nn.Embedding(2, config.hidden)
        self.LayerNorm = nn.LayerNorm(config.hidden, eps=config.epsilon)

    def forward(self, input_ids: Tensor) -> Tensor:
        positions = self.position_embeddings.weight[: input_ids.shape[1]]
        embedded: Tensor = self.LayerNorm(
            self.word_embeddings(input_ids) + positions + self.token_type_embeddings.weight[0]
        )
        return embedded


class _Layers(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.layers))


class _Layer(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden, config.intermediate)})
        self.output = _Output(config.intermediate, config)

    def forward(self, asking: Tensor, state: Tensor, visible: Tensor) -> Tensor:
        attended = self.attention(asking, state, visible)
        out: Tensor = self.output(functional.gelu(self.intermediate["dense"](attended)), attended)
        return out


class _Attention(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self._heads = config.heads
        parts = {part: nn.Linear(config.hidden, config.hidden) for part in ("query", "key", "value")}
        self.self = nn.ModuleDict(parts)
        self.output = _Output(config.hidden, config)

    def forward(self, asking: Tensor, state: Tensor, visible: Tensor) -> Tensor:
        query = self._by_head(self.self["query"](asking))
        key, value = self._by_head(self.self["key"](state)), self._by_head(self.self["value"](state))
        # Plain products: torch's fused attention takes twice as long backwards in bfloat16 on a CPU.
        scores = (query @ key.transpose(-1, -2)) * query.shape[-1] ** -0.5
        attended = scores.masked_fill(~visible, float("-inf")).softmax(-1).to(value.dtype) @ value
        out: Tensor = self.output(attended.transpose(1, 2).flatten(2), asking)
        return out

    def _by_head(self, state: Tensor) -> Tensor:
        return state.reshape(*state.shape[:2], self._heads, -1).transpose(1, 2)


class _Output(nn.Module):
    def __init__(self, width: int, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden)
        self.LayerNorm = nn.LayerNorm(config.hidden, eps=config.epsilon)

    def forward(self, branch: Tensor, state: Tensor) -> Tensor:
        out: Tensor = self.LayerNorm(self.dense(branch) + state)
        return out
