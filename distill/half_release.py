"""A release to one that GPUs run as well: the same int8 graph, and a float16 one of the weights it stands for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from distill.dequantize import dequantize
from distill.fidelity import int8_fidelity
from distill.half import write_fp16
from distill.release_folder import free_target, new_folder, tool_versions, write_manifest
from workers.release import MODEL_FP16, MODEL_INT8, TOKENIZER, Release, file_entry, load_release


@dataclass(frozen=True, slots=True)
class HalfPlan:
    """What to make. `model`: folder of the release to begin with; `release`: name of the new one, under `out`."""

    model: Path
    release: str
    out: Path
    replace: bool = False


def release_half(plan: HalfPlan, say: Callable[[str], None]) -> Release:
    """Make the release folder under `plan.out`; it appears whole, or not at all.

    Figures of the release to begin with are kept: its int8 graph is the same. `kith distill release --fp16`
    makes one of the weights as they were before int8; this one needs nothing but the release.

    Raises:
        InputError: the name is no name, the release exists and may not be replaced, or the int8 graph is not kith's.
        ReleaseError: the release to begin with is damaged.
    """
    target = free_target(plan.out, plan.release, replace=plan.replace)
    given = load_release(plan.model)
    say(f"reading {given.manifest.name}")
    exact = dequantize(onnx.load(given.model_file()))
    with new_folder(target) as partial:
        for name in (MODEL_INT8, TOKENIZER):
            shutil.copyfile(given.folder / name, partial / name)
        write_fp16(exact, partial / MODEL_FP16)
        say("comparing float16 with int8")
        near = int8_fidelity(given, (partial / MODEL_FP16).read_bytes(), "float16")
        manifest = given.manifest.model_copy(
            update={
                "name": plan.release,
                "command": f"kith distill half --model {plan.model} --release {plan.release}",
                "tools": {**given.manifest.tools, **tool_versions("onnx", "onnxruntime")},
                "metrics": {**given.manifest.metrics, **near},
                "files": {name: file_entry(partial / name) for name in (MODEL_INT8, MODEL_FP16, TOKENIZER)},
            }
        )
        write_manifest(partial, manifest)
    return Release(target, manifest)
