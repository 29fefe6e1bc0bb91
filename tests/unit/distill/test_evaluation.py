import json

import numpy as np
import pytest

from distill.evaluation.dataset import load_dataset
from distill.evaluation.evaluate import evaluate
from distill.evaluation.metrics import ALL, BADLY_WRONG, MRR, NDCG, RECALL_10, ZERO_HIT, compare, figure, per_query
from distill.evaluation.report import write_report
from distill.evaluation.systems import Run, load_system, rank
from kith.errors import InputError, SettingsError
from tests.kith_process import ROOT, one_line_error, run

CORPUS = [("roofer", "fixes leaking roofs"), ("doctor", "treats cancer"), ("baker", "bakes bread"), ("thief", "steals")]


def write(folder, corpus=None, queries=None, qrels=None):
    lines = [{"_id": name, "text": text} for name, text in CORPUS] if corpus is None else corpus
    asked = queries or [
        {"_id": "q1", "text": "leaking roofs", "metadata": {"class": "lay", "language": "en", "no_shared_word": False}},
        {"_id": "q2", "text": "wer backt Brot?", "metadata": {"class": "cross", "language": "de"}},
    ]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in asked))
    rows = qrels or ["q1\troofer\t4", "q1\tdoctor\t1", "q2\tbaker\t3"]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(rows) + "\n")
    return folder


class Fixed:
    def __init__(self, name, rows):
        self.name, self.rows = name, rows

    def scores(self, documents, queries):
        return np.array(self.rows, dtype=np.float32), 0.5


def test_a_system_reads_the_documents_in_the_words_it_is_made_for(tmp_path):
    class Reader:
        def __init__(self, name):
            self.name = name

        def scores(self, documents, queries):
            self.read = documents
            return np.zeros((len(queries), len(documents)), dtype=np.float32), 0.5

    data, full, brief = load_dataset(write(tmp_path)), Reader("full"), Reader("brief")
    evaluate(data, [full, brief], None, lambda _line: None, {"brief": {name: name.upper() for name in data.corpus}})
    assert full.read == ["bakes bread", "treats cancer", "fixes leaking roofs", "steals"]
    assert brief.read == ["BAKER", "DOCTOR", "ROOFER", "THIEF"]


def test_the_figures_are_those_of_the_definitions(tmp_path):
    data = load_dataset(write(tmp_path))
    # Documents in the order of ids: baker, doctor, roofer, thief.
    run = rank(Fixed("one", [[0, 3, 2, 1], [1, 2, 3, 4]]), data.corpus, {q.id: q.text for q in data.queries})
    found = per_query(data, run)
    best = 4 + 1 / np.log2(3)
    assert found["q1"][NDCG] == pytest.approx((1 + 4 / np.log2(3)) / best)
    assert found["q1"][MRR] == pytest.approx(1 / 2)
    assert found["q2"][MRR] == pytest.approx(1 / 4)
    assert found["q1"][RECALL_10] == 1
    assert found["q1"][ZERO_HIT] == 0
    assert found["q1"][BADLY_WRONG] == pytest.approx(2 / 10)


def test_a_query_without_anything_found_counts_as_zero(tmp_path):
    data = load_dataset(write(tmp_path))
    found = per_query(data, Run("none", {"q1": {}, "q2": {}}, 1.0))
    assert found["q1"] == {**dict.fromkeys(found["q1"], 0.0), ZERO_HIT: 1.0}


def test_bm25_finds_words_and_nothing_without_them(tmp_path):
    data = load_dataset(write(tmp_path))
    run = rank(load_system("bm25"), data.corpus, {q.id: q.text for q in data.queries})
    assert list(run.rankings["q1"]) == ["roofer"]
    assert run.rankings["q2"] == {}


def test_groups_and_comparison(tmp_path):
    data = load_dataset(write(tmp_path))
    right, wrong = Fixed("right", [[0, 1, 4, 0], [4, 0, 0, 0]]), Fixed("wrong", [[4, 1, 0, 0], [0, 0, 0, 4]])
    good, bad = evaluate(data, [right, wrong], "wrong", lambda _: None)
    assert good.figures["class: cross"][NDCG].mean == 1
    assert good.against[ALL].difference > 0
    assert bad.against == {}
    page = tmp_path / "report.html"
    write_report(page, data, [bad, good])
    assert "wer backt Brot?" in page.read_text()


def test_intervals_hold_the_mean_and_differences_have_a_chance():
    values = np.random.default_rng(1).normal(0.5, 0.1, 200)
    made = figure(values)
    assert made.low < made.mean < made.high
    assert compare(values + 0.1, values).p_value < 0.01
    assert compare(values, values).p_value == 1.0
    noise = np.random.default_rng(2).normal(0, 0.1, 200)
    assert compare(values + noise - noise.mean(), values).p_value > 0.5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"corpus": [{"text": "no id"}]}, r"corpus\.jsonl, line 1: _id is missing"),
        ({"corpus": [{"_id": "a", "text": "x"}, {"_id": "a", "text": "y"}]}, "line 2: document 'a' occurs twice"),
        ({"qrels": ["q1\tnobody\t1"]}, r"qrels\.tsv, line 2: document 'nobody'"),
        ({"qrels": ["q9\troofer\t1"]}, r"qrels\.tsv, line 2: query 'q9'"),
        ({"qrels": ["q1\troofer"]}, "line 2: not a grade"),
        ({"qrels": ["q1\troofer\t0"]}, "no document is right"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_with_file_and_line(tmp_path, given, said):
    with pytest.raises(InputError, match=said):
        load_dataset(write(tmp_path, **given))


def test_a_missing_file_and_an_unknown_system_are_named(tmp_path):
    with pytest.raises(InputError, match=r"corpus\.jsonl cannot be read"):
        load_dataset(tmp_path)
    with pytest.raises(InputError, match="is no system"):
        load_system(str(tmp_path / "nothing"))


def test_a_release_is_measured_where_it_is_told_to_run_or_not_at_all():
    folder = str(ROOT / "models" / "student-v1")
    assert load_system(folder, provider="cpu").name == "student-v1"
    with pytest.raises(SettingsError, match="KITH_PROVIDER is cuda, but ONNX Runtime here has only"):
        load_system(folder, provider="cuda")
    done = run({}, "eval", folder, "--provider", "cuda")
    assert (done.returncode, one_line_error(done)[:30]) == (2, "kith: KITH_PROVIDER is cuda, b")
