"""The model card of a release: what it is, how it was made, what it reaches, what it is not for."""

from __future__ import annotations

from distill.gates import Measured
from workers.release import Manifest


def model_card(manifest: Manifest, measured: Measured) -> str:
    """The card as Markdown."""
    rows = "\n".join(
        f"| {group} | {measured.student[group]:.3f} | {measured.teacher[group]:.3f} | {measured.baseline[group]:.3f} |"
        for group in measured.student
    )
    return f"""# {manifest.name}

Embeds rendered profiles and questions about people into {manifest.dim} dimensions, unit length, so that the cosine
says how well a profile answers a question. Languages: {", ".join(manifest.languages)}. Texts are cut at
{manifest.max_tokens} tokens.

Made by `{manifest.command}` from the authored taxonomy and lexicon of this repository (hashes in the manifest); the
teacher grew from the pretrained all-MiniLM-L6-v2. Weights are {manifest.quantization}.

## nDCG@10 on the golden test split

No occupation of the split occurs in the training texts.

| questions | this release | teacher, float32 | pretrained encoder, float32 |
|---|---|---|---|
{rows}

In float32 the student reaches {measured.student_float:.4f} over all. Median cosine of int8 vectors to float32 ones:
{measured.cosine_median:.4f}.

## Limits

- Golden set and training texts are authored by the same project; measure on your own profiles before you rely on it.
- Language other than those listed is read by the pieces it shares with them.
- A question about a level or a town is answered better with a filter than by the vector.
- It knows nothing of who may see whom: visibility is the index's work.
"""
