from distill.synthetic.draws import Draw
from distill.taxonomy import LANGUAGES, load_taxonomy
from distill.training.asides import among_asides

ASIDES = [f"Aside {n}." for n in range(20)]


def test_the_profile_stays_whole_among_sentences_that_come_once():
    made = among_asides(Draw("a"), "Roofer in Leeds.", ASIDES)
    assert "Roofer in Leeds." in made
    said = [aside for aside in ASIDES if aside in made]
    assert 3 <= len(said) <= 12
    assert len(made) == len("Roofer in Leeds.") + sum(len(aside) + 1 for aside in said)


def test_the_same_draw_gives_the_same_text_and_another_one_another():
    first, again, other = (among_asides(Draw(seed), "Roofer.", ASIDES) for seed in ("a", "a", "b"))
    assert first == again != other


def test_every_language_has_enough_of_them():
    asides = load_taxonomy().asides
    assert set(asides) == set(LANGUAGES)
    assert all(len(said) >= 12 for said in asides.values())
