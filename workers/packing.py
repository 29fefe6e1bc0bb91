"""Which texts run through the model together: sorted by length, packed by token budget. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# Padding takes part in an int8 run's scales: a text among much longer ones gets a slightly different vector.
LEAST_FILL = 0.5


def pack(lengths: Sequence[int], token_budget: int, least_fill: float = LEAST_FILL) -> Iterator[list[int]]:
    """Group texts so that little is padded: padding is most of what a naive batch computes.

    Args:
        lengths: tokens of each text.
        token_budget: most tokens of a group, padding included (longest x count); a longer text runs alone. No text
            is padded to more than `1 / least_fill` times its length.

    Yields:
        Indices into `lengths`, each exactly once, longest texts first, so that the peak of memory comes first.
    """
    group: list[int] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        full = longest * (len(group) + 1) > token_budget
        if group and (full or lengths[index] < least_fill * longest):
            yield group
            group = []
        if not group:
            longest = lengths[index]
        group.append(index)
    if group:
        yield group
