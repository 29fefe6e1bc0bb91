"""The teacher: an encoder fine-tuned on people search, that reads every language as it reads English."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from distill.grown_encoder import GROWN, NEW_ROWS, grow_encoder
from distill.synthetic.draws import Draw
from distill.training.batches import Batches
from distill.training.forward import TextEncoder, load_sentence_transformer, text_encoder
from distill.training.losses import alignment, contrastive
from distill.training.material import Material
from distill.training.mining import adjacent_occupations, mine_confused
from distill.training.provenance import write_provenance
from distill.training.run import Progress, RunPlan, TrainingRun

_CONFUSED = "confused"


@dataclass(frozen=True, slots=True)
class TeacherPlan:
    """How the teacher is trained.

    Attributes:
        encoder: folder of the encoder that it grows from.
        out: folder that it is written to.
        vocabulary: size of the grown vocabulary at the most; the encoder's own where its kind cannot grow.
        steps, questions, translations: steps, and rows of each kind in one.
        rate: highest learning rate of the layers; `new_token_rate`: of new tokens.
        mine_every: steps between two searches for hard negatives.
    """

    encoder: Path
    out: Path
    vocabulary: int = 50_000
    steps: int = 430
    questions: int = 28
    translations: int = 256
    rate: float = 7e-5
    new_token_rate: float = 1e-3
    mine_every: int = 150
    max_tokens: int = 96
    seed: int = 1


def train_teacher(
    plan: TeacherPlan, material: Material, inputs: Mapping[str, str], report: Callable[[Progress], None]
) -> Path:
    """Train it and write it as a sentence transformer to `plan.out / "encoder"`.

    Three things at once: questions find profiles (contrastive, with mined negatives), texts of other languages get
    the vector of their English, and English texts keep theirs (alignment with the untouched encoder).

    Args:
        inputs: hash by kind of data; kept beside the encoder.

    Raises:
        InputError: the encoder cannot be read, or a checkpoint in `plan.out` is of another run.
    """
    torch.manual_seed(plan.seed)
    start = grow_encoder(plan.encoder, plan.out / GROWN, material, plan.vocabulary)
    model = load_sentence_transformer(start)
    groups = _parameter_groups(model, start, plan)
    work = _TeacherStep(plan, material, model)
    run = TrainingRun(
        RunPlan(f"teacher:{plan}", plan.steps, plan.seed, tuple(inputs.values())), plan.out, model, groups
    )
    run.run(work.step, report)
    target = plan.out / "encoder"
    model.save(str(target), create_model_card=False)
    write_provenance(target, inputs)
    run.done()
    return target


class _TeacherStep:
    def __init__(self, plan: TeacherPlan, material: Material, model: SentenceTransformer) -> None:
        self._plan = plan
        self._material = material
        self._encode = text_encoder(model, plan.max_tokens)
        self._untouched = text_encoder(load_sentence_transformer(plan.encoder), plan.max_tokens)
        self._batches = Batches(material, plan.seed, self._untouched.words)
        self._adjacent = adjacent_occupations(material, _frozen(self._untouched))

    def step(self, number: int, state: dict[str, Any]) -> dict[str, Tensor]:
        if number % self._plan.mine_every == 0 and number:
            draw = Draw(f"mining:{self._plan.seed}:{number}")
            state[_CONFUSED] = mine_confused(self._material, _frozen(self._encode), self._adjacent, draw)
        return {"questions": self._questions(number, state), "translations": self._translations(number)}

    def _questions(self, number: int, state: dict[str, Any]) -> Tensor:
        batch = self._batches.questions(number, self._plan.questions, state.get(_CONFUSED, {}))
        vectors = self._encode([i.question for i in batch.items] + [i.profile for i in batch.items])
        count = len(batch.items)
        return contrastive(
            vectors[:count], vectors[count:], torch.from_numpy(batch.right), torch.from_numpy(batch.left_out)
        )

    def _translations(self, number: int) -> Tensor:
        drawn = self._batches.translations(number, self._plan.translations)
        english = list(dict.fromkeys(t.english for t in drawn))
        with torch.no_grad():
            targets = self._untouched(english)
        rows = {text: row for row, text in enumerate(english)}
        wanted = targets[torch.tensor([rows[t.english] for t in drawn])]
        return _ALIGNMENT_WEIGHT * alignment(self._encode([t.text for t in drawn]), wanted)


# An alignment loss is a tenth of a contrastive one, and the languages stand on it.
_ALIGNMENT_WEIGHT = 6.0


def _frozen(encoder: TextEncoder) -> Callable[[Sequence[str]], np.ndarray]:
    def embed(texts: Sequence[str]) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(encoder(texts).numpy(), dtype=np.float32)

    return embed


def _parameter_groups(model: SentenceTransformer, start: Path, plan: TeacherPlan) -> list[dict[str, Any]]:
    """New tokens learn fast, the layers slowly, and the words that the encoder knew stay what they were."""
    path = start / NEW_ROWS
    if not path.exists():
        return [{"params": list(model.parameters()), "lr": plan.rate}]
    transformer: Any = model[0]
    words = transformer.auto_model.get_input_embeddings().weight
    learns = torch.from_numpy(np.load(path)).float()[:, None].to(words.device)
    words.register_hook(lambda gradient: gradient * learns)
    rest = [parameter for parameter in model.parameters() if parameter is not words]
    return [{"params": rest, "lr": plan.rate}, {"params": [words], "lr": plan.new_token_rate}]
