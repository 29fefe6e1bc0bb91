"""A student to a release: quantized, measured on the golden test split, held against the gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from distill.encoder_folder import WEIGHTS, load_encoder
from distill.encoder_graph import build_graph
from distill.evaluation.dataset import Dataset, load_dataset
from distill.evaluation.evaluate import means
from distill.evaluation.metrics import ALL, groups, per_query
from distill.evaluation.systems import System, load_system, rank
from distill.export import MAX_TOKENS, pretrained_folder, write_tokenizer
from distill.gates import GATES, Measured, check_gates, load_gates
from distill.golden.authored import load_golden
from distill.golden.compile import compile_golden
from distill.half import write_fp16
from distill.model_card import model_card
from distill.quantize import DESCRIPTION, quantize_int8
from distill.release_folder import free_target, new_folder, tool_versions, write_manifest
from distill.taxonomy import LANGUAGES
from distill.training.provenance import read_provenance
from workers.embedding import OnnxEmbedder
from workers.release import (
    MODEL_FP16,
    MODEL_INT8,
    TOKENIZER,
    Manifest,
    Release,
    Source,
    file_entry,
    sha256_of,
)
from workers.render import RENDERER_ID

NO_SHARED_WORD = "no shared word"
CARD = "README.md"

_TOOLS = ("numpy", "onnx", "onnxruntime", "safetensors", "sentence-transformers", "tokenizers", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """What to release.

    Attributes:
        student, teacher: folders of encoders.
        baseline: folder of the encoder to beat; None takes the pretrained one.
        half: whether a float16 graph for GPUs comes with the int8 one.
    """

    release: str
    out: Path
    student: Path
    teacher: Path
    command: str
    baseline: Path | None = None
    gates: Path = GATES
    half: bool = False
    replace: bool = False


def release_student(plan: ReleasePlan, say: Callable[[str], None]) -> Release:
    """Make the release folder under `plan.out`; it appears whole, or not at all.

    Raises:
        InputError: an encoder cannot be read, or the release exists and may not be replaced.
        ReleaseError: a gate is missed; names it with the figure.
    """
    target = free_target(plan.out, plan.release, replace=plan.replace)
    config, weights = load_encoder(plan.student)
    graph = build_graph(config, weights)
    with new_folder(target) as partial:
        write_tokenizer(plan.student, partial / TOKENIZER, config)
        say(f"quantizing {config.layers} layers of {config.hidden}")
        quantize_int8(graph, partial / MODEL_INT8)
        graphs = [MODEL_INT8]
        if plan.half:
            write_fp16(graph, partial / MODEL_FP16)
            graphs.append(MODEL_FP16)
        source = Source(name=plan.student.parent.name, version="local", sha256=sha256_of(plan.student / WEIGHTS))
        manifest = Manifest(
            name=plan.release,
            dim=config.hidden,
            max_tokens=min(MAX_TOKENS, config.max_positions),
            renderer=RENDERER_ID,
            pooling=f"{config.pooling}, then unit length, in the graph",
            quantization=DESCRIPTION,
            languages=LANGUAGES,
            source=source,
            command=plan.command,
            tools=tool_versions(*_TOOLS),
            metrics={},
            data=read_provenance(plan.student),
            files={name: file_entry(partial / name) for name in (*graphs, TOKENIZER)},
        )
        write_manifest(partial, manifest)
        measured = _measure(plan, Release(partial, manifest), say)
        check_gates(load_gates(plan.gates), measured, ALL, NO_SHARED_WORD)
        (partial / CARD).write_text(model_card(manifest, measured), encoding="utf-8")
        files = {**manifest.files, CARD: file_entry(partial / CARD)}
        manifest = manifest.model_copy(update={"metrics": _metrics(measured), "files": files})
        write_manifest(partial, manifest)
    return Release(target, manifest)


def _measure(plan: ReleasePlan, release: Release, say: Callable[[str], None]) -> Measured:
    with TemporaryDirectory() as folder:
        compile_golden(load_golden(), Path(folder))
        dataset = load_dataset(Path(folder) / "test")
    members = groups(dataset.queries)

    def ndcg(system: System) -> dict[str, float]:
        say(f"measuring {system.name}")
        run = rank(system, dataset.corpus, {query.id: query.text for query in dataset.queries})
        return means(per_query(dataset, run), members)

    return Measured(
        student=ndcg(load_system(str(release.folder))),
        teacher=ndcg(load_system(str(plan.teacher))),
        baseline=ndcg(load_system(str(plan.baseline or pretrained_folder()))),
        student_float=ndcg(load_system(str(plan.student)))[ALL],
        cosine_median=_cosine(plan.student, release, dataset),
        megabytes=sum(release.manifest.files[name].bytes for name in (MODEL_INT8, TOKENIZER)) / 1e6,
    )


def _cosine(student: Path, release: Release, dataset: Dataset) -> float:
    from distill.training.forward import load_any_encoder

    texts: Sequence[str] = [*dataset.corpus.values(), *(query.text for query in dataset.queries)]
    exact = load_any_encoder(student)(texts)
    return float(np.median(np.sum(exact * OnnxEmbedder(release).embed(texts), axis=1)))


def _metrics(measured: Measured) -> Mapping[str, float]:
    figures = {f"ndcg_at_10 {group}": figure for group, figure in measured.student.items()}
    figures |= {
        "ndcg_at_10 of the teacher": measured.teacher[ALL],
        "ndcg_at_10 of the pretrained encoder": measured.baseline[ALL],
        "ndcg_at_10 in float32": measured.student_float,
        "cosine_int8_to_float32_median": measured.cosine_median,
    }
    return {name: round(figure, 4) for name, figure in figures.items()}
