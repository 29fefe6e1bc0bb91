import pytest

from distill.lexicon import load_lexicon
from distill.taxonomy import LANGUAGES, TaxonomyError


def write(folder, line):
    (folder / "things.tsv").write_text(line + "\n", encoding="utf-8")


def test_forms_are_apart_by_slashes_and_come_once(tmp_path):
    write(tmp_path, "doctor/physician\tArzt/Ärztin/Arzt\tmédico\tmédecin\tmedico\tmédico\tarts\tlekarz/lekarza")
    (concept,) = load_lexicon(tmp_path)
    assert concept.english == "doctor"
    assert concept.forms["de"] == ("Arzt", "Ärztin")
    assert tuple(concept.forms) == LANGUAGES


@pytest.mark.parametrize("line", ["roof\tDach", "roof\tDach\ttejado\ttoit\t\ttelhado\tdak\tdach"], ids=["few", "empty"])
def test_a_line_with_too_few_cells_is_named(tmp_path, line):
    write(tmp_path, line)
    with pytest.raises(TaxonomyError, match=r"things\.tsv: line 1"):
        load_lexicon(tmp_path)


def test_a_folder_without_a_lexicon_is_named(tmp_path):
    with pytest.raises(TaxonomyError, match="holds no lexicon"):
        load_lexicon(tmp_path)


def test_the_authored_lexicon_is_whole():
    assert len(load_lexicon()) >= 2600
