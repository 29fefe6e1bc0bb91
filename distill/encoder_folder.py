"""A BERT-type sentence encoder as a folder: what is in it, and whether it is one that can be exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load_file

from kith.errors import InputError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"

_MODULES = "modules.json"
_EXPORTED_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})
_WHAT_IT_HOLDS = f"It must hold {CONFIG}, {WEIGHTS} and tokenizer.json of a BERT encoder."
_SAME_ENCODER = "Are the two files of the same encoder?"

_ParsedT = TypeVar("_ParsedT")

Array = npt.NDArray[np.float32]


class EncoderConfig(BaseModel):
    """What of `config.json` shapes the graph.

    Attributes:
        max_positions: tokens that it has positions for, special tokens included.
        pooling: mean of the last layer's token states, or a last layer computed for one position
            (`distill.sentence_encoder`).
    """

    model_config = ConfigDict(frozen=True)

    model_type: Literal["bert"]
    hidden_act: Literal["gelu"]
    position_embedding_type: Literal["absolute"] = "absolute"
    hidden: int = Field(ge=1, validation_alias="hidden_size")
    layers: int = Field(ge=1, validation_alias="num_hidden_layers")
    heads: int = Field(ge=1, validation_alias="num_attention_heads")
    intermediate: int = Field(ge=1, validation_alias="intermediate_size")
    epsilon: float = Field(gt=0, validation_alias="layer_norm_eps")
    max_positions: int = Field(ge=8, validation_alias="max_position_embeddings")
    vocabulary: int = Field(ge=1, validation_alias="vocab_size")
    pooling: Literal["mean", "last_layer"] = Field("mean", validation_alias="kith_pooling")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden_size {self.hidden} cannot be shared by {self.heads} heads")
        return self


class _Module(BaseModel):
    """One layer of a Sentence Transformers model."""

    type: str
    path: str


def load_encoder(folder: Path) -> tuple[EncoderConfig, dict[str, Array]]:
    """Configuration and weights of an encoder folder; weights of any float type come as float32.

    Raises:
        InputError: a file is missing or unreadable, or it is an encoder that the graph would not reproduce.
    """
    config = _parsed(folder / CONFIG, TypeAdapter(EncoderConfig))
    _check_modules(folder)
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder} is not a readable encoder: {WEIGHTS}: {error}.", _WHAT_IT_HOLDS) from error
    named = {name.removeprefix("bert."): np.asarray(weight, dtype=np.float32) for name, weight in weights.items()}
    _check_weights(folder / WEIGHTS, config, named)
    return config, named


def _check_modules(folder: Path) -> None:
    """Sentence Transformers may add layers or pool in another way: such an encoder must not be exported silently."""
    path = folder / _MODULES
    if not path.exists():
        return
    for module in _parsed(path, TypeAdapter(list[_Module])):
        kind = module.type.rpartition(".")[2]
        if kind not in _EXPORTED_MODULES:
            raise InputError(f"{path} has a {kind} layer.", "Only mean pooling and unit length can be exported.")
        if kind == "Pooling":
            _check_pooling(folder / module.path / CONFIG)


def _check_pooling(path: Path) -> None:
    settings = _parsed(path, TypeAdapter(dict[str, Any]))
    prefix = "pooling_mode_"
    modes = [name.removeprefix(prefix) for name, on in settings.items() if name.startswith(prefix) and on is True]
    modes = modes or [str(settings.get("pooling_mode"))]
    if modes not in (["mean_tokens"], ["mean"]):
        raise InputError(f"{path} pools by {' and '.join(modes)}.", "Only encoders with mean pooling can be exported.")


def _check_weights(path: Path, config: EncoderConfig, weights: dict[str, Array]) -> None:
    expected = {
        "embeddings.word_embeddings.weight": (config.vocabulary, config.hidden),
        "embeddings.position_embeddings.weight": (config.max_positions, config.hidden),
    }
    for name, shape in expected.items():
        found = weights[name].shape if name in weights else "missing"
        if found != shape:
            raise InputError(f"{path}: {name} is {found}, {CONFIG} asks for {shape}.", _SAME_ENCODER)
    layers = {int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer.")}
    if layers != set(range(config.layers)):
        raise InputError(f"{path} holds {len(layers)} layers, {CONFIG} asks for {config.layers}.", _SAME_ENCODER)


def _parsed(path: Path, kind: TypeAdapter[_ParsedT]) -> _ParsedT:
    try:
        return kind.validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path.parent} is not a readable encoder: {path.name}: {error.strerror}.", _WHAT_IT_HOLDS
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        if isinstance(first["input"], str | int | float) and first["loc"]:
            where += f" is {first['input']!r}"
        raise InputError(
            f"{path}: {where}: {first['msg']}.", "Only BERT encoders with gelu and absolute positions can be exported."
        ) from error
