"""A sheet of values: some are known, the others are calculated from them, each with the arithmetic that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from kith.capacity.arithmetic import evaluate, names_in


class Origin(StrEnum):
    """Where a value comes from."""

    GIVEN = "given"
    ASSUMED = "assumed"
    MEASURED = "measured"
    DECLARED = "declared"
    CALCULATED = "calculated"


class Resource(StrEnum):
    """What costs money: values of a kind that may be added."""

    CORES = "cores"
    MEMORY = "memory"
    KAFKA_DISK = "disk of the brokers"
    OBJECT_STORAGE = "object storage"
    TABLE_DISK = "disk of the indexers"


@dataclass(frozen=True, slots=True)
class Known:
    """A value that was not calculated.

    Attributes:
        source: who says so: an option, a benchmark, a file of ours.
    """

    name: str
    value: float
    unit: str
    what: str
    origin: Origin
    source: str


@dataclass(frozen=True, slots=True)
class Formula:
    """How a value is calculated.

    Attributes:
        resource: of which sum it is a part.
    """

    name: str
    unit: str
    what: str
    formula: str
    resource: Resource | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A calculated value, with the values that went in."""

    section: str
    formula: Formula
    inputs: dict[str, float]
    value: float


@dataclass
class Sheet:
    """Known values, and what was calculated so far."""

    known: dict[str, Known] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)

    def know(self, one: Known) -> None:
        """Take a value in."""
        self.known[one.name] = one

    def has(self, name: str) -> bool:
        """Whether there is a value of that name."""
        return name in self.known or name in self.lines

    def value(self, name: str) -> float:
        """A value by its name.

        Raises:
            KeyError: there is none.
        """
        return self.lines[name].value if name in self.lines else self.known[name].value

    def calculate(self, section: str, formula: Formula) -> None:
        """Add a line.

        Raises:
            KeyError: a value that it needs is not there.
            ValueError: a value of that name is there.
        """
        if self.has(formula.name):
            raise ValueError(f"{formula.name} is there twice.")
        inputs = {name: self.value(name) for name in names_in(formula.formula)}
        self.lines[formula.name] = Line(section, formula, inputs, evaluate(formula.formula, inputs))

    def parts_of(self, resource: Resource) -> Sequence[Line]:
        """What is added up to a resource, largest first."""
        parts = [line for line in self.lines.values() if line.formula.resource is resource]
        return sorted(parts, key=lambda line: -line.value)

    def used(self) -> list[Known]:
        """The known values that some line needs, in the order of their taking in."""
        needed = {name for line in self.lines.values() for name in line.inputs}
        return [one for name, one in self.known.items() if name in needed]
