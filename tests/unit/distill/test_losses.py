import math

import torch
from torch.nn import functional

from distill.training.losses import TEMPERATURE, alignment, contrastive, ranking


def unit(rows):
    return functional.normalize(torch.tensor(rows), dim=-1)


def test_alignment_is_zero_for_the_same_and_one_for_a_right_angle():
    one = unit([[1.0, 0.0], [0.0, 1.0]])
    assert alignment(one, one) == 0
    assert alignment(one, one.flip(0)) == 1


def test_contrastive_is_the_cross_entropy_of_the_right_profile():
    questions, profiles = unit([[1.0, 0.0], [0.0, 1.0]]), unit([[1.0, 0.0], [0.6, 0.8]])
    right, nothing = torch.eye(2, dtype=torch.bool), torch.zeros(2, 2, dtype=torch.bool)
    scores = (questions @ profiles.T / TEMPERATURE).double()
    labels = torch.tensor([0, 1])
    expected = (functional.cross_entropy(scores, labels) + functional.cross_entropy(scores.T, labels)) / 2
    torch.testing.assert_close(
        contrastive(questions, profiles, right, nothing).double(), expected, rtol=1e-4, atol=1e-6
    )


def test_pairs_left_out_cost_nothing():
    questions = profiles = unit([[1.0, 0.0], [1.0, 0.0]])
    right = torch.eye(2, dtype=torch.bool)
    assert math.isclose(contrastive(questions, profiles, right, torch.zeros_like(right)), math.log(2), rel_tol=1e-4)
    assert abs(contrastive(questions, profiles, right, ~right)) < 1e-5


def test_ranking_is_zero_for_the_teachers_scores_and_positive_otherwise():
    questions, profiles = unit([[1.0, 0.0], [0.0, 1.0]]), unit([[1.0, 0.1], [0.1, 1.0]])
    assert abs(ranking(questions, profiles, questions @ profiles.T)) < 1e-6
    assert ranking(questions, profiles, (questions @ profiles.T).flip(1)) > 1
