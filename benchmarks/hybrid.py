"""Search by meaning, by words, both ways and as the router chooses, by class of question, on Milvus Lite.

The golden set's questions, and names and companies of synthetic people, asked in several ways. Whoever has the same
name, as words, is as right as the person whose name was asked for.

Example: `python -m benchmarks.hybrid`, `python -m benchmarks.hybrid --split dev`, `--people 1000 --names 200` for less.
"""

from __future__ import annotations

import argparse
import random
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.environment import describe
from benchmarks.milvus_lite import own_milvus_lite
from distill.evaluation.dataset import Dataset, Query
from distill.evaluation.metrics import NDCG, compare, groups, per_query
from distill.evaluation.systems import Run
from distill.golden.dataset import golden_dataset
from distill.synthetic import synthetic_profiles
from kith.deadline import Deadline
from schemas.records import Profile
from schemas.search_records import ReplyStatus, SearchMode, SearchRequest
from streams.fields import profile_fields
from workers.contract import CollectionInfo, ProfileFields, Row
from workers.embedding import OnnxEmbedder
from workers.limits import fit_fields, fit_text
from workers.milvus_index import MilvusIndex
from workers.model_collections import create_or_find
from workers.release import Release, load_release
from workers.render import RENDERER_ID, render
from workers.retrieval import Arm, Retrieval
from workers.words import words_of

MODEL = Path("models/student-v1")
MODES = (SearchMode.SEMANTIC, SearchMode.KEYWORD, SearchMode.HYBRID, SearchMode.AUTO)
TIMEOUT_S = 120.0
TOGETHER = 16
WRITTEN = 128
SEED = 3


@dataclass(frozen=True, slots=True)
class Answers:
    """What one mode found, by question, and how often each way was taken."""

    rankings: dict[str, dict[str, float]] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    release = load_release(MODEL)
    embedder = OnnxEmbedder(release, threads=1)
    print(describe("milvus-lite", "pymilvus", "onnxruntime"))
    with own_milvus_lite() as uri:
        index = MilvusIndex(uri)
        asked = Asking(index, embedder, release)
        golden = golden_dataset(arguments.split)
        asked.fill("golden", [(name, ProfileFields(""), text) for name, text in golden.corpus.items()])
        print(f"golden set, {arguments.split} split: {len(golden.corpus)} people, {len(golden.queries)} questions")
        report(golden, asked.all_modes("golden", golden))
        people = {made.profile_id: made.profile for made in synthetic_profiles(arguments.people, arguments.seed)}
        asked.fill("people", [(name, profile_fields(one, 0), render(one)) for name, one in people.items()])
        print(f"{len(people)} synthetic people")
        named = names_and_companies(people, arguments.names, arguments.companies)
        report(named, asked.all_modes("people", named))
        index.close()


class Asking:
    """One index with collections of a release, asked as the query consumer asks.

    Args:
        prefix: of the collections' names.
    """

    def __init__(self, index: MilvusIndex, embedder: OnnxEmbedder, release: Release, prefix: str = "") -> None:
        self._index = index
        self._embedder = embedder
        self._model = release.manifest.name
        self._prefix = prefix
        self._retrieval = Retrieval(index, TIMEOUT_S)
        self._collections: dict[str, CollectionInfo] = {}

    def fill(self, name: str, people: Sequence[tuple[str, ProfileFields, str]]) -> None:
        """Write people (id, fields, text) to a new collection."""
        wanted = CollectionInfo(self._prefix + name, self._model, RENDERER_ID, self._embedder.dim)
        self._collections[name] = create_or_find(self._index.connection, wanted, Deadline.after(TIMEOUT_S))
        for start in range(0, len(people), WRITTEN):
            some = people[start : start + WRITTEN]
            vectors = self._embedder.embed([text for _, _, text in some])
            rows = [
                Row(profile_id, 1, fit_fields(fields), fit_text(text), vector)
                for (profile_id, fields, text), vector in zip(some, vectors, strict=True)
            ]
            self._index.upsert(wanted.name, rows, TIMEOUT_S)

    def drop(self) -> None:
        """The collections are gone."""
        for one in self._collections.values():
            self._drop(one.name)

    def _drop(self, name: str) -> None:
        self._index.connection.call("drop", TIMEOUT_S, lambda client, left: client.drop_collection(name, timeout=left))

    def all_modes(self, collection: str, dataset: Dataset) -> dict[SearchMode, Answers]:
        """Every question in every mode."""
        arm = Arm(self._collections[collection], self._embedder)
        return {mode: self._answers(arm, dataset.queries, mode) for mode in MODES}

    def _answers(self, arm: Arm, queries: Sequence[Query], mode: SearchMode) -> Answers:
        answers = Answers()
        for start in range(0, len(queries), TOGETHER):
            some = queries[start : start + TOGETHER]
            requests = [SearchRequest(one.text, mode=mode, with_matched_text=False) for one in some]
            begun = time.perf_counter()
            replies = self._retrieval.answer(arm, requests)
            answers.seconds.append((time.perf_counter() - begun) / len(some))
            for query, reply in zip(some, replies, strict=True):
                if reply.status is not ReplyStatus.OK:
                    raise AssertionError(f"{query.text}: {reply.error}")
                # The order is what counts: scores of hits may be equal.
                answers.rankings[query.id] = {hit.profile_id: -float(n) for n, hit in enumerate(reply.hits)}
                answers.modes[query.id] = str(reply.mode)
        return answers


def names_and_companies(people: Mapping[str, Profile], names: int, companies: int) -> Dataset:
    """Names and companies as questions; the same arguments give the same ones."""
    draw = random.Random(SEED)
    by_name, by_company = defaultdict(set), defaultdict(set)
    written: dict[str, str] = {}
    for profile_id, person in people.items():
        by_name[_words(person.name)].add(profile_id)
        for company in filter(None, (position.company for position in person.positions)):
            by_company[_words(company)].add(profile_id)
            written.setdefault(_words(company), company)
    asked = draw.sample(sorted(people), min(names, len(people)))
    wanted = draw.sample(sorted(by_company), min(companies, len(by_company)))
    fewer = asked[: max(1, len(asked) // 4)]
    parts = [
        *_questions("name", [people[one].name for one in asked], by_name, lambda text: text),
        *_questions("name, lower case", [people[one].name for one in fewer], by_name, str.lower),
        *_questions("name, no accents", [people[one].name for one in fewer], by_name, _without_accents),
        *_questions("name, family first", [people[one].name for one in fewer], by_name, _family_first),
        *_questions("name, in a question", [people[one].name for one in fewer], by_name, "who is {}?".format),
        *_questions("company", [written[one] for one in wanted], by_company, lambda text: text),
        *_questions("company, lower case", [written[one] for one in wanted], by_company, str.lower),
        *_questions("company, in a question", [written[one] for one in wanted], by_company, "who works at {}?".format),
    ]
    queries = tuple(query for query, _ in parts)
    qrels = {query.id: dict.fromkeys(right, 1) for query, right in parts}
    return Dataset("names and companies", dict.fromkeys(people, ""), queries, qrels)


def ndcg(dataset: Dataset, answers: Answers) -> dict[str, float]:
    """nDCG@10 by question."""
    return {query: found[NDCG] for query, found in per_query(dataset, Run("", answers.rankings, 0.0)).items()}


def right_first(dataset: Dataset, answers: Answers) -> dict[str, bool]:
    """Whether the first hit is right, by question."""
    first = {query: next(iter(ranking), "") for query, ranking in answers.rankings.items()}
    return {query: dataset.qrels[query].get(name, 0) >= dataset.right for query, name in first.items()}


def report(dataset: Dataset, answers: Mapping[SearchMode, Answers]) -> None:
    """One line a class: nDCG@10 in each mode, share of right people at rank 1, auto against the better of two."""
    figures = {mode: ndcg(dataset, one) for mode, one in answers.items()}
    first = {mode: right_first(dataset, one) for mode, one in answers.items()}
    print(f"{'class':24} {'n':>5} " + " ".join(f"{mode.value:>14}" for mode in MODES) + "  auto against the better")
    for name, members in groups(dataset.queries).items():
        values = {mode: [figures[mode][query] for query in members] for mode in MODES}
        cells = [f"{np.mean(values[m]):.3f} ({np.mean([first[m][query] for query in members]):.3f})" for m in MODES]
        better = max((SearchMode.SEMANTIC, SearchMode.KEYWORD), key=lambda mode: float(np.mean(values[mode])))
        told = compare(values[SearchMode.AUTO], values[better])
        taken = Counter(answers[SearchMode.AUTO].modes[query] for query in members)
        ways = ", ".join(f"{way} {count}" for way, count in taken.most_common())
        print(
            f"{name.removeprefix('class: '):24} {len(members):5} "
            + " ".join(f"{cell:>14}" for cell in cells)
            + f"  {told.difference:+.3f} (p {told.p_value:.2f})  {ways}"
        )
    spent = " ".join(f"{mode.value} {1000 * np.median(answers[mode].seconds):.0f}" for mode in MODES)
    print(f"ms a question, {TOGETHER} at a time: {spent}")


def _questions(
    kind: str, texts: Sequence[str], right: Mapping[str, set[str]], asked: Callable[[str], str]
) -> Iterator[tuple[Query, set[str]]]:
    for number, text in enumerate(texts):
        yield Query(f"{kind}-{number}", asked(text), (f"class: {kind}",)), right[_words(text)]


def _words(text: str) -> str:
    return " ".join(words_of(text))


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _family_first(name: str) -> str:
    given, _, family = name.rpartition(" ")
    return f"{family}, {given}" if given else name


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="test", choices=("dev", "test"), help="of the golden set")
    parser.add_argument("--people", type=int, default=5000, help="synthetic people")
    parser.add_argument("--seed", type=int, default=11, help="of the synthetic people")
    parser.add_argument("--names", type=int, default=1000, help="names asked for as they stand")
    parser.add_argument("--companies", type=int, default=250, help="companies asked for")
    return parser.parse_args()


if __name__ == "__main__":
    main()
