"""How near the vectors of two graphs of a release are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime

from workers.embedding import OnnxEmbedder, load_tokenizer, run_inputs
from workers.release import Release

_TEXTS = (
    "who knows about treating cancer?",
    "Medical oncologist. Treats solid tumours with chemotherapy and immunotherapy at a university hospital.",
    "Plumber. Repairs burst pipes and installs bathrooms in private homes.",
    "Backend engineer. Builds event streaming on Kafka, writes Python and Go, runs services on Kubernetes.",
    "Head of finance. Leads accounting, budgets and audits for a maker of packaging machines in Lyon, France.",
    "Krankenschwester auf der Intensivstation, Schwerpunkt Beatmung.",
    "Maestra de primaria con diez años de experiencia en escuelas rurales.",
    "someone to design a garden",
    "Pastry chef. Before: baker, kitchen helper. Skills: viennoiserie, chocolate work, menu planning.",
    "Air traffic controller. Keeps aircraft apart in a busy terminal area, trains new colleagues.",
)


def int8_fidelity(release: Release, graph: bytes, name: str) -> dict[str, float]:
    """Median and least cosine of the release's int8 vectors to those of `graph`, as figures of a manifest.

    Args:
        graph: of the same inputs and outputs.
        name: what it computes in: `float32`.
    """
    # Each text alone: what it runs with shifts its vector a little, and the figure is the model's, not the packing's.
    embedder = OnnxEmbedder(release, threads=1, token_budget=1)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    cosines = np.sum(_vectors(session, release, _TEXTS) * embedder.embed(_TEXTS), axis=1)
    # Rounded: the last digits differ between processors, and the manifest should not.
    return {
        f"cosine_int8_to_{name}_median": round(float(np.median(cosines)), 3),
        f"cosine_int8_to_{name}_min": round(float(np.min(cosines)), 3),
    }


def _vectors(session: onnxruntime.InferenceSession, release: Release, texts: Sequence[str]) -> np.ndarray:
    tokenizer = load_tokenizer(release)
    return np.concatenate([session.run(None, run_inputs([tokenizer.encode(text)]))[0] for text in texts])
