"""Taxonomy and lexicon, freed of the golden set: what training texts are drawn from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distill.golden.authored import DATA, held_out_names
from distill.lexicon import Concept, load_lexicon
from distill.taxonomy import ROOT, Occupation, Taxonomy, load_taxonomy
from distill.training.held_out import HeldOut

_NEEDED = ("skills", "tools", "tasks", "specialities")


@dataclass(frozen=True, slots=True)
class Translation:
    """A text and the English one that means the same. `language`: of `text`, ISO 639-1."""

    language: str
    text: str
    english: str


@dataclass(frozen=True, slots=True)
class Material:
    """All that may be trained on.

    Attributes:
        taxonomy: without occupations that the golden set holds.
        concepts: the lexicon, without their names.
        needs: lay needs with their English.
        titles: by occupation id, its title with the English one, in every language.
    """

    taxonomy: Taxonomy
    concepts: tuple[Concept, ...]
    needs: tuple[Translation, ...]
    titles: Mapping[str, tuple[Translation, ...]]


def gather(taxonomy: Taxonomy, lexicon: tuple[Concept, ...], held_out: HeldOut) -> Material:
    """What is left of taxonomy and lexicon when nothing names a held-out occupation."""
    freed = (_freed(occupation, held_out) for occupation in taxonomy.occupations)
    kept = tuple(occupation for occupation in freed if occupation is not None)
    concepts = tuple(
        concept
        for concept in lexicon
        if not any(held_out.named_in(form) for forms in concept.forms.values() for form in forms)
    )
    return Material(
        taxonomy=replace(taxonomy, occupations=kept),
        concepts=concepts,
        needs=tuple(n for o in kept for n in _needs(o) if not held_out.named_in(f"{n.text} | {n.english}")),
        titles={occupation.id: tuple(_titles(occupation)) for occupation in kept},
    )


def _freed(occupation: Occupation, held_out: HeldOut) -> Occupation | None:
    """The occupation without texts that name a held-out one; None when its title does, or too little is left."""
    names = [occupation.titles["mid"], *(local.title for local in occupation.local.values())]
    if any(held_out.named_in(name) for name in names):
        return None
    freed: dict[str, Any] = {
        key: held_out.free(getattr(occupation, key)) for key in (*_NEEDED, "also", "qualifications")
    }
    if not all(freed[key] for key in _NEEDED):
        return None
    titles = {level: title for level, title in occupation.titles.items() if held_out.named_in(title) is None}
    return replace(occupation, titles=titles, **freed)


def _needs(occupation: Occupation) -> list[Translation]:
    return [
        Translation(language, need, english)
        for language, local in occupation.local.items()
        for need, english in zip(local.needs, occupation.lay_needs, strict=False)
    ]


def _titles(occupation: Occupation) -> list[Translation]:
    english = occupation.titles["mid"]
    return [Translation(language, local.title, english) for language, local in occupation.local.items()]


def load_material(root: Path = ROOT) -> Material:
    """The material of the taxonomy folder, freed of the golden set.

    Raises:
        TaxonomyError: a file of the taxonomy or the lexicon is wrong.
        GoldenError: the table of held-out occupations is wrong.
    """
    return gather(load_taxonomy(root), load_lexicon(root / "lexicon"), HeldOut(held_out_names()))


def data_hashes(root: Path = ROOT) -> dict[str, str]:
    """SHA-256 over the names and bytes of the files of each kind of data that training depends on."""
    kinds = {"taxonomy": (root, "**/*.toml"), "lexicon": (root, "**/*.tsv"), "held_out": (DATA, "occupations.tsv")}
    hashes = {}
    for kind, (folder, pattern) in kinds.items():
        digest = hashlib.sha256()
        for path in sorted(path for path in folder.glob(pattern) if path.is_file()):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
        hashes[kind] = digest.hexdigest()
    return hashes
