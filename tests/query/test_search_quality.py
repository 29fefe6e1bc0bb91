"""What `benchmarks.hybrid` measures, on fewer people: no way of answering is below the better of its two parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from benchmarks.hybrid import MODEL, Asking, names_and_companies, ndcg, right_first
from distill.evaluation.metrics import groups
from distill.golden.dataset import golden_dataset
from distill.synthetic import synthetic_profiles
from kith.services.local_stack import Endpoints
from schemas.search_records import SearchMode
from streams.fields import profile_fields
from tests.kith_process import ROOT
from workers.contract import ProfileFields
from workers.embedding import OnnxEmbedder
from workers.milvus_index import MilvusIndex
from workers.release import load_release
from workers.render import render

PEOPLE, NAMES, COMPANIES = 400, 100, 20
# A class of a few questions moves by so much when one of them changes by a rank.
NOISE = 0.02


@pytest.fixture
def asking(stack: Endpoints) -> Iterator[Asking]:
    release = load_release(ROOT / MODEL)
    index = MilvusIndex(stack.milvus_uri)
    own = Asking(index, OnnxEmbedder(release, threads=1), release, f"q{uuid4().hex[:8]}_")
    yield own
    own.drop()
    index.close()


def assert_not_below_its_parts(dataset, answers):
    found = {mode: ndcg(dataset, one) for mode, one in answers.items()}
    for name, members in groups(dataset.queries).items():
        mean = {mode: float(np.mean([values[query] for query in members])) for mode, values in found.items()}
        better = max(mean[SearchMode.SEMANTIC], mean[SearchMode.KEYWORD])
        assert min(mean[SearchMode.HYBRID], mean[SearchMode.AUTO]) >= better - NOISE, f"{name}: {mean}"


def test_questions_of_the_golden_set_are_answered_no_worse_than_by_meaning(asking):
    golden = golden_dataset("test")
    asking.fill("golden", [(name, ProfileFields(""), text) for name, text in golden.corpus.items()])
    some = replace(golden, queries=golden.queries[::3])
    assert_not_below_its_parts(some, asking.all_modes("golden", some))


def test_a_name_finds_its_person_first_and_a_company_its_people(asking):
    people = {made.profile_id: made.profile for made in synthetic_profiles(PEOPLE, seed=11)}
    asking.fill("people", [(name, profile_fields(one, 0), render(one)) for name, one in people.items()])
    questions = names_and_companies(people, NAMES, COMPANIES)
    answers = asking.all_modes("people", questions)
    assert_not_below_its_parts(questions, answers)
    for mode in (SearchMode.KEYWORD, SearchMode.HYBRID, SearchMode.AUTO):
        first = right_first(questions, answers[mode])
        named = [first[query.id] for query in questions.queries if query.groups == ("class: name",)]
        assert len(named) == NAMES
        assert np.mean(named) >= 0.99, mode
