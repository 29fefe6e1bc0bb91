"""The measured unit costs: data beside this module, written by `python -m benchmarks.unit_cost_file`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kith.errors import InputError

FILE = Path(__file__).with_name("unit_costs.toml")


@dataclass(frozen=True, slots=True)
class UnitCost:
    """One measured figure.

    Attributes:
        what: what it is, one line.
        command: what measured it.
        machine: on what.
        date: when, ISO 8601.
        source: file of results, and where in it.
    """

    value: float
    unit: str
    what: str
    command: str
    machine: str
    date: str
    source: str


def read_unit_costs(file: Path = FILE) -> Mapping[str, UnitCost]:
    """Every figure by its name.

    Args:
        file: figures of another machine, in the same form.

    Raises:
        kith.errors.InputError: the file cannot be read, a figure says too little, or is not above 0.
    """
    try:
        tables = tomllib.loads(file.read_text())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file} is not valid TOML: {error}.", "Correct the line named.") from error
    return {name: _read(file, name, table) for name, table in tables.items()}


def _read(file: Path, name: str, table: Mapping[str, object]) -> UnitCost:
    wanted = set(UnitCost.__slots__)
    if not isinstance(table, dict) or set(table) != wanted:
        raise InputError(f"{file}: {name} needs exactly {', '.join(sorted(wanted))}.")
    value = table["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InputError(f"{file}: the value of {name} is {value!r}, not a number above 0.")
    words = {key: str(word) for key, word in table.items() if key != "value"}
    return UnitCost(value=float(value), **words)
