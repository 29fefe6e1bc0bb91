import json
from collections import Counter

import pytest

from distill.evaluation.dataset import load_dataset
from distill.golden.authored import Asks, GoldenError, Peopled, load_golden
from distill.golden.compile import compile_golden, split_of
from distill.golden.grading import Grade, grade_for_industry, grade_for_occupation
from distill.training.held_out import HeldOut
from distill.training.material import load_material
from distill.words import content_stems
from workers.render import MAX_BRIEF_CHARS, render_brief

PERSON = """
[[occupation.person]]
status = "{status}"
level = "{level}"
city = "{city}"
country = "GB"
company_type = "hospital"
language = "en"
headline = "{status} in {city}"
about = "Works."
jobs = ["Worker @ House (2019-)"]
"""
FILE = (
    '[[occupation]]\nid = "{id}"\n'
    + PERSON.format(status="present", level="senior", city="Leeds")
    + PERSON.format(status="present", level="junior", city="York")
    + PERSON.format(status="past", level="mid", city="Bath")
    + PERSON.format(status="aspiring", level="junior", city="Hull")
    + '[[occupation.query]]\ntext = "who?"\nlanguage = "en"\nclass = "lay"\nasks = {asks}\n'
)
TABLE = "\n".join(
    "\t".join((name, "crafts", near, *(f"{name} {language}" for language in range(8))))
    for name, near in (("smith", "saddler"), ("saddler", ""), ("potter", ""))
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "occupations.tsv").write_text(TABLE)
    for name in ("smith", "saddler", "potter"):
        (tmp_path / f"{name}.toml").write_text(FILE.replace("{id}", name).replace("{asks}", "{}"))
    return tmp_path


def grades(folder, asks, owner="smith"):
    golden = load_golden(folder)
    by_id = {occupation.id: occupation for occupation in golden.occupations}
    question = by_id["smith"].questions[0].model_copy(update={"asks": asks})
    return [
        grade_for_occupation(golden, by_id["smith"], question, by_id[owner], number)
        for number in range(len(by_id[owner].people))
    ]


def test_present_past_and_wished_for_work(folder):
    assert grades(folder, Asks()) == [Grade(4, "W2"), Grade(4, "W2"), Grade(2, "P1"), Grade(1, "A1")]


def test_another_place_and_another_level(folder):
    assert grades(folder, Asks(city="Leeds"))[:3] == [Grade(4, "W2"), Grade(2, "W3"), Grade(1, "P1")]
    assert grades(folder, Asks(level="lead"))[:2] == [Grade(3, "W4"), Grade(2, "W4")]


def test_several_things_off_are_a_grade_below_the_lowest(folder):
    assert grades(folder, Asks(city="Leeds", level="senior"))[1] == Grade(1, "W7")
    assert grades(folder, Asks(company_type="school", skilled=(2,)))[:2] == [Grade(1, "W7"), Grade(3, "W5")]


def test_adjacent_and_other_occupations(folder):
    assert grades(folder, Asks(), "saddler") == [Grade(1, "N1"), Grade(1, "N1"), Grade(0, "O1"), Grade(0, "O1")]
    assert {grade.clause for grade in grades(folder, Asks(), "potter")} == {"O1"}


def test_industry(folder):
    golden = load_golden(folder)
    (smith,) = (occupation for occupation in golden.occupations if occupation.id == "smith")
    found = [grade_for_industry(golden, "crafts", smith, person).grade for person in smith.people]
    assert found == [4, 4, 2, 0]
    assert grade_for_industry(golden, "food", smith, smith.people[0]) == Grade(0, "O1")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "smith"', 'id = "smoth"', r"smoth is not in occupations\.tsv"),
        ("asks = {}", 'asks = { city = "Rome" }', "nobody present is what"),
        ("asks = {}", "asks = { skilled = [3] }", "asks for person 3"),
        ('status = "past"', 'status = "gone"', r"occupation\.0\.person\.2\.status"),
    ],
)
def test_what_is_wrong_is_said_with_its_file(folder, old, new, said):
    path = folder / "smith.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(GoldenError, match=rf"smith\.toml.*{said}"):
        load_golden(folder)


class TestTheAuthoredSet:
    golden = load_golden()

    def peopled(self) -> tuple[Peopled, ...]:
        return self.golden.occupations

    def test_size(self):
        questions = [question for occupation in self.peopled() for question in occupation.questions]
        assert len(questions) + len(self.golden.industry_questions) >= 600
        languages = Counter(question.language for question in questions)
        assert set(languages) == {"en", "de", "es", "fr", "it", "pt", "nl", "pl"}
        assert min(languages.values()) >= 25
        assert {question.kind for question in questions} == {
            *("lay", "synonym", "title", "skill", "place", "company", "seniority", "constraint", "cross"),
        }

    def test_every_question_has_right_and_near_miss_people(self):
        for occupation in self.peopled():
            statuses = [person.status for person in occupation.people]
            assert statuses.count("present") >= 3, occupation.id
            assert {"past", "aspiring"} <= set(statuses), occupation.id

    def test_no_occupation_is_trained_on(self):
        names = HeldOut(
            name for named in self.golden.named.values() for texts in named.names.values() for name in texts
        )
        for occupation in load_material().taxonomy.occupations:
            for title in (occupation.titles["mid"], *(local.title for local in occupation.local.values())):
                assert names.named_in(title) is None

    def test_no_question_is_near_a_trained_one(self):
        material = load_material()
        trained = {need.english for need in material.needs} | {need.text for need in material.needs}
        stems = [content_stems(text) for text in trained]
        for occupation in self.peopled():
            for question in occupation.questions:
                asked = content_stems(question.text)
                assert not any(len(asked & other) > 0.8 * len(asked | other) > 1.6 for other in stems), question.text

    def test_splits_share_no_occupation_and_no_text(self, tmp_path):
        compile_golden(self.golden, tmp_path)
        texts = {}
        for split in ("dev", "test"):
            lines = [json.loads(line) for line in (tmp_path / split / "corpus.jsonl").read_text().splitlines()]
            texts[split] = {line["text"] for line in lines}
            assert {split_of(self.golden, line["metadata"]["occupation"]) for line in lines} == {split}
        assert not texts["dev"] & texts["test"]

    def test_enough_questions_share_no_word_with_a_right_profile(self, tmp_path):
        compile_golden(self.golden, tmp_path)
        lines = (tmp_path / "test" / "queries.jsonl").read_text().splitlines()
        assert sum(json.loads(line)["metadata"]["no_shared_word"] for line in lines) >= 150

    def test_another_renderer_changes_the_texts_of_the_people_and_nothing_else(self, tmp_path):
        compile_golden(self.golden, tmp_path / "full")
        compile_golden(self.golden, tmp_path / "brief", render_brief)
        full, brief = (load_dataset(tmp_path / name / "test") for name in ("full", "brief"))
        assert (full.queries, full.qrels, full.corpus.keys()) == (brief.queries, brief.qrels, brief.corpus.keys())
        assert max(map(len, brief.corpus.values())) <= MAX_BRIEF_CHARS
        assert sum(map(len, brief.corpus.values())) < 0.8 * sum(map(len, full.corpus.values()))

    def test_the_same_set_gives_the_same_bytes(self, tmp_path):
        compile_golden(self.golden, tmp_path / "one")
        compile_golden(self.golden, tmp_path / "other")
        for path in (tmp_path / "one").rglob("*.*"):
            assert path.read_bytes() == (tmp_path / "other" / path.relative_to(tmp_path / "one")).read_bytes()

    def test_every_grade_cites_a_clause_of_the_policy(self, tmp_path):
        compile_golden(self.golden, tmp_path)
        policy = (self.golden_policy()).read_text()
        rows = [line.split("\t") for line in (tmp_path / "test" / "qrels.tsv").read_text().splitlines()[1:]]
        for clause in {row[3] for row in rows}:
            assert f"**{clause}. " in policy

    @staticmethod
    def golden_policy():
        from distill.taxonomy import ROOT

        return ROOT.parent / "policy.md"
