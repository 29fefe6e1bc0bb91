"""The gates of a release: figures against `distill/gates.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kith.errors import InputError, ReleaseError

GATES = Path(__file__).parent / "gates.toml"


class Gates(BaseModel):
    """As commented in gates.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_of_teacher: float = Field(ge=0)
    least_over_baseline: float
    least_no_shared_word: float = Field(ge=0, le=1)
    most_lost_to_int8: float
    least_cosine_median: float = Field(ge=-1, le=1)
    most_megabytes: float = Field(gt=0)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a release measured. nDCG@10 on the golden test split; by group: class, language, and the like.

    Attributes:
        student, teacher, baseline: by group; `student` is the int8 one.
        student_float: float32, over all.
    """

    student: Mapping[str, float]
    teacher: Mapping[str, float]
    baseline: Mapping[str, float]
    student_float: float
    cosine_median: float
    megabytes: float


def load_gates(path: Path = GATES) -> Gates:
    """Read the gates.

    Raises:
        InputError: the file is missing or malformed.
    """
    try:
        return Gates.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "It lists every gate once.") from error


def check_gates(gates: Gates, measured: Measured, all_queries: str, no_shared_word: str) -> None:
    """Nothing when every gate is reached.

    Raises:
        ReleaseError: names every gate that is missed, with the figure.
    """
    missed = [*_overall(gates, measured, all_queries, no_shared_word), *_groups(gates, measured)]
    if missed:
        raise ReleaseError(
            f"The release misses {len(missed)} gates: {'; '.join(missed)}.", f"The gates are in {GATES}."
        )


def _overall(gates: Gates, measured: Measured, all_queries: str, no_shared_word: str) -> Sequence[str]:
    share = measured.student[all_queries] / measured.teacher[all_queries]
    lost = measured.student_float - measured.student[all_queries]
    hidden = measured.student.get(no_shared_word, 0.0)
    checks = (
        (share >= gates.least_of_teacher, f"{share:.4f} of the teacher's nDCG@10, least {gates.least_of_teacher}"),
        (lost <= gates.most_lost_to_int8, f"{lost:.4f} nDCG@10 lost to int8, most {gates.most_lost_to_int8}"),
        (
            hidden >= gates.least_no_shared_word,
            f"{hidden:.4f} nDCG@10 without a shared word, least {gates.least_no_shared_word}",
        ),
        (
            measured.cosine_median >= gates.least_cosine_median,
            f"cosine {measured.cosine_median:.4f} of int8 to float32, least {gates.least_cosine_median}",
        ),
        (measured.megabytes <= gates.most_megabytes, f"{measured.megabytes:.1f} MB, most {gates.most_megabytes}"),
    )
    return [text for reached, text in checks if not reached]


def _groups(gates: Gates, measured: Measured) -> Sequence[str]:
    return [
        f"{group}: nDCG@10 {figure:.4f}, the baseline has {measured.baseline[group]:.4f}"
        for group, figure in measured.student.items()
        if figure - measured.baseline[group] <= gates.least_over_baseline
    ]
