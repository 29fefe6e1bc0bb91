"""What is minimised."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Of cosines; at 0.05 a difference of 0.1 is a factor of e^2.
TEMPERATURE = 0.05


def alignment(vectors: Tensor, targets: Tensor) -> Tensor:
    """Mean of 1 - cosine of rows, float32 (); both float32 (n, dim), of unit length."""
    return (1 - (vectors * targets).sum(-1)).mean()


def contrastive(questions: Tensor, profiles: Tensor, right: Tensor, left_out: Tensor) -> Tensor:
    """Cross-entropy of finding a right profile among all, and a right question, float32 ().

    InfoNCE in both directions (van den Oord et al., 2018), with several right answers a row.

    Args:
        questions, profiles: float32 (n, dim), of unit length.
        right: bool (n, n), at least one True in each row and column.
        left_out: bool (n, n), pairs that take no part.
    """
    scores = (questions @ profiles.T / TEMPERATURE).masked_fill(left_out, float("-inf"))
    forth = torch.logsumexp(scores.masked_fill(~right, float("-inf")), 1) - torch.logsumexp(scores, 1)
    back = torch.logsumexp(scores.masked_fill(~right, float("-inf")), 0) - torch.logsumexp(scores, 0)
    return -(forth.mean() + back.mean()) / 2


def ranking(questions: Tensor, profiles: Tensor, wanted: Tensor) -> Tensor:
    """How far the scores of profiles for each question are from the teacher's, as distributions, float32 ().

    Kullback-Leibler divergence (Hinton et al., 2015), at `TEMPERATURE`.

    Args:
        questions, profiles: float32 (n, dim) and (m, dim), of unit length.
        wanted: float32 (n, m), the teacher's cosines.
    """
    have = functional.log_softmax(questions @ profiles.T / TEMPERATURE, -1)
    want = functional.log_softmax(wanted / TEMPERATURE, -1)
    return functional.kl_div(have, want, reduction="batchmean", log_target=True)
