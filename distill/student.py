"""The student: a few layers of the teacher, trained until its vectors and rankings are the teacher's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from distill.encoder_folder import CONFIG, WEIGHTS, Array, load_encoder
from distill.sentence_encoder import PooledEncoder
from distill.synthetic.draws import Draw
from distill.training.asides import among_asides
from distill.training.batches import Batches
from distill.training.forward import DEVICE, TextEncoder, load_sentence_transformer, text_encoder
from distill.training.losses import alignment, ranking
from distill.training.material import Material
from distill.training.provenance import write_provenance
from distill.training.questions import Answered
from distill.training.run import Progress, RunPlan, TrainingRun
from kith.errors import InputError
from workers.release import TOKENIZER

_PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class StudentPlan:
    """How the student is trained.

    Attributes:
        teacher: folder of a trained teacher of BERT's kind, whose layers the student begins with.
        layers: which of them, lowest first; the last one is computed for the pooled position only.
        steps, questions, translations: steps, and rows of each kind in one.
    """

    teacher: Path
    out: Path
    layers: tuple[int, ...] = (0, 2, 5)
    steps: int = 800
    questions: int = 32
    translations: int = 288
    rate: float = 3e-4
    word_rate: float = 1e-4
    max_tokens: int = 224
    seed: int = 2


def train_student(
    plan: StudentPlan, material: Material, inputs: Mapping[str, str], report: Callable[[Progress], None]
) -> Path:
    """Train it and write it to `plan.out / "encoder"`: config.json, model.safetensors, tokenizer.json.

    Args:
        inputs: hash by kind of data; kept beside the encoder.

    Raises:
        InputError: the teacher cannot be read or has no such layer, or a checkpoint in `plan.out` is of another run.
    """
    torch.manual_seed(plan.seed)
    student = _first_student(plan).to(DEVICE)
    tokenizer = Tokenizer.from_file(str(plan.teacher / TOKENIZER))
    most = min(plan.max_tokens, student.config.max_positions)
    work = _StudentStep(plan, material, TextEncoder(tokenizer, student, most))
    words = student.embeddings.word_embeddings.weight
    rest = [parameter for parameter in student.parameters() if parameter is not words]
    groups = [{"params": rest, "lr": plan.rate}, {"params": [words], "lr": plan.word_rate}]
    run = TrainingRun(
        RunPlan(f"student:{plan}", plan.steps, plan.seed, tuple(inputs.values())), plan.out, student, groups
    )
    run.run(work.step, report)
    target = _write(plan, student, inputs)
    run.done()
    return target


class _StudentStep:
    def __init__(self, plan: StudentPlan, material: Material, student: TextEncoder) -> None:
        self._plan = plan
        self._student = student
        self._asides = material.taxonomy.asides
        self._teacher = text_encoder(load_sentence_transformer(plan.teacher), plan.max_tokens)
        self._batches = Batches(material, plan.seed, student.words)

    def step(self, number: int, _state: object) -> dict[str, Tensor]:
        batch = self._batches.questions(number, self._plan.questions, {})
        questions = [i.question for i in batch.items]
        questions_and_profiles = [*questions, *(i.profile for i in batch.items)]
        drawn = [t.text for t in self._batches.translations(number, self._plan.translations)]
        with torch.no_grad():
            wanted = self._teacher([*questions_and_profiles, *drawn])
        have = self._student([*questions, *self._long(batch.items, number), *drawn])
        count, profiles = len(batch.items), slice(len(batch.items), 2 * len(batch.items))
        asked = torch.cat([have[:count], have[2 * count :]])
        asked_wanted = torch.cat([wanted[:count], wanted[2 * count :]])
        return {
            "vectors": _VECTOR_WEIGHT * alignment(have, wanted),
            "ranking": ranking(asked, have[profiles], asked_wanted @ wanted[profiles].T),
        }

    def _long(self, items: Sequence[Answered], number: int) -> list[str]:
        draw = Draw(f"asides:{self._plan.seed}:{number}")
        return [
            among_asides(draw, item.profile, self._asides[item.profile_language])
            if draw.chance(_LONG_SHARE)
            else item.profile
            for item in items
        ]


# Share of profiles that come as long biographies; the vector that is wanted is that of the profile without asides.
_LONG_SHARE = 0.5

# Both losses are then of a size, about 0.3 when training ends.
_VECTOR_WEIGHT = 10.0


def _first_student(plan: StudentPlan) -> PooledEncoder:
    config, weights = load_encoder(plan.teacher)
    if wrong := [layer for layer in plan.layers if not 0 <= layer < config.layers]:
        raise InputError(f"The teacher has {config.layers} layers, none of number {wrong[0]}.", "Count from 0.")
    chosen = config.model_copy(update={"layers": len(plan.layers), "pooling": "last_layer"})
    student = PooledEncoder(chosen)
    taken = {name: weight for name, weight in weights.items() if name.startswith("embeddings.")}
    for place, layer in enumerate(plan.layers):
        prefix = f"encoder.layer.{layer}."
        taken |= {
            f"encoder.layer.{place}.{name.removeprefix(prefix)}": weight
            for name, weight in weights.items()
            if name.startswith(prefix)
        }
    known = student.state_dict()
    missing = known.keys() - taken.keys()
    if missing:
        raise InputError(f"The teacher has no weight {min(missing)}.", "The student begins with a BERT's layers.")
    student.load_state_dict({name: torch.from_numpy(taken[name]) for name in known})
    return student


def _write(plan: StudentPlan, student: nn.Module, inputs: Mapping[str, str]) -> Path:
    """The whole folder or none of it."""
    partial, target = plan.out / _PARTIAL, plan.out / "encoder"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    weights: dict[str, Array] = {name: tensor.cpu().numpy() for name, tensor in student.state_dict().items()}
    save_file(weights, partial / WEIGHTS)
    config = json.loads((plan.teacher / CONFIG).read_text(encoding="utf-8"))
    config |= {"num_hidden_layers": len(plan.layers), "kith_pooling": "last_layer"}
    (partial / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.copy(plan.teacher / TOKENIZER, partial / TOKENIZER)
    write_provenance(partial, inputs)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target
