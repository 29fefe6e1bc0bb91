"""The authored lexicon: what a word is called in every language, read from `distill/taxonomy/lexicon/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from distill.taxonomy import LANGUAGES, ROOT, TaxonomyError

_FORMS_APART = "/"


@dataclass(frozen=True, slots=True)
class Concept:
    """One meaning. `forms`: by language, the commonest word first, then synonyms and inflected forms."""

    forms: Mapping[str, tuple[str, ...]]

    @property
    def english(self) -> str:
        """The commonest English word."""
        return self.forms["en"][0]


@cache
def load_lexicon(folder: Path = ROOT / "lexicon") -> tuple[Concept, ...]:
    """Every concept of every `*.tsv` of the folder: a line has a cell for each of `LANGUAGES`.

    Raises:
        TaxonomyError: a file cannot be read, or a line has too few or empty cells; names file and line.
    """
    concepts = tuple(concept for path in sorted(folder.glob("*.tsv")) for concept in _concepts(path))
    if not concepts:
        raise TaxonomyError(f"{folder.name}: holds no lexicon.", f"Put files *.tsv under {folder}.")
    return concepts


def _concepts(path: Path) -> Iterator[Concept]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TaxonomyError(f"{path.name}: cannot be read: {error}.", f"Look at {path}.") from error
    for number, line in enumerate(lines, start=1):
        cells = [_forms(cell) for cell in line.split("\t")]
        if len(cells) != len(LANGUAGES) or not all(cells):
            raise TaxonomyError(
                f"{path.name}: line {number}: {len(cells)} cells; it takes {len(LANGUAGES)}, none of them empty.",
                f"Correct {path}.",
            )
        yield Concept(dict(zip(LANGUAGES, cells, strict=True)))


def _forms(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(form.strip() for form in cell.split(_FORMS_APART) if form.strip()))
