"""What a plan is asked for: each parameter with its bounds, and what is assumed where it is not given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kith.errors import InputError


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        assumed: taken, and shown as an assumption, where nothing is given; None: there is nothing to assume.
        least, most: bounds, both allowed.
    """

    name: str
    unit: str
    what: str
    least: float
    most: float
    assumed: float | None = None
    needed: bool = False

    @property
    def option(self) -> str:
        """As it is written on the command line."""
        return f"--{self.name.replace('_', '-')}"


PARAMETERS = (
    Parameter("profiles", "", "profiles that are searched", 1, 1e12, needed=True),
    Parameter("changes_per_day", "1/day", "profile changes of a day, in the mean", 0, 1e13, needed=True),
    Parameter("peak", "", "the busiest time over the mean", 1, 1000, assumed=1),
    Parameter("embedded_share", "", "share of the changes that alter the text", 0, 1, assumed=1),
    Parameter("searches_per_second", "1/s", "questions a second at the busiest time", 0, 1e7),
    Parameter("dim", "", "numbers of a vector", 1, 32_768, assumed=384),
    Parameter("replicas", "", "copies of the index in memory", 1, 16, assumed=1),
    Parameter("kafka_replicas", "", "copies of each topic", 1, 7, assumed=3),
    Parameter("utilization", "", "how busy processors may be at the busiest time", 0.05, 1, assumed=0.7),
    Parameter("indexer_cores", "cores", "processors of an indexer", 1, 256, assumed=2),
    Parameter("query_cores", "cores", "processors of a query consumer", 1, 256, assumed=1),
    Parameter("memory_fill", "", "how full the memory of Milvus may be", 0.05, 1, assumed=0.7),
    Parameter("index_builds", "", "times that a written row is indexed, compactions included", 1, 100, assumed=1),
    Parameter("compaction_slack", "", "what compaction may leave, over what is live", 1, 10, assumed=2),
    Parameter("segment_mib", "MiB", "size of a segment of Milvus", 1, 1e6, assumed=512),
    Parameter("node_memory_gib", "GiB", "memory of a query node of Milvus", 1, 1e5),
    Parameter("replay_hours", "h", "time in which everybody has to be embedded again", 0.01, 1e5),
    Parameter("lag_threshold", "", "records that may wait for each indexer, KEDA", 1, 1e9, assumed=1000),
    Parameter("query_lag_threshold", "", "requests that may wait for each query consumer, KEDA", 1, 1e9, assumed=100),
    Parameter("polling_s", "s", "between two looks of KEDA", 1, 3600, assumed=15),
    Parameter("scale_up_wait_s", "s", "that a lag has to last before a pod is added", 0, 3600, assumed=30),
    Parameter("scale_down_wait_s", "s", "that it has to be calm before a pod is taken away", 1, 86_400, assumed=900),
    Parameter("gpu_texts_per_second", "1/s", "profile texts that your GPU embeds a second", 0.1, 1e7),
)
_BY_NAME = {one.name: one for one in PARAMETERS}


def checked(given: Mapping[str, float | None]) -> dict[str, float]:
    """The parameters that were given.

    Raises:
        kith.errors.InputError: one is unknown, missing, no number, or out of its bounds; names its option.
    """
    if unknown := sorted(given.keys() - _BY_NAME.keys()):
        raise InputError(f"{unknown[0]} is no parameter of a plan.", "See `kith plan --help`.")
    found = {name: value for name, value in given.items() if value is not None}
    for one in PARAMETERS:
        value = found.get(one.name)
        if value is None:
            if one.needed:
                raise InputError(f"{one.option} is missing: {one.what}.")
        elif not math.isfinite(value) or not one.least <= value <= one.most:
            raise InputError(f"{one.option} is {value:g}, not between {one.least:g} and {one.most:g}: {one.what}.")
    return found
