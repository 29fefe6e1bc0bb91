from distill.golden.authored import held_out_names
from distill.training.held_out import HeldOut
from distill.training.material import load_material


def test_names_are_found_as_whole_words_whatever_case_and_accents():
    held_out = HeldOut(["Käser", "chimney sweep"])
    assert held_out.named_in("Bin KASER in Bern") == "kaser"
    assert held_out.named_in("the Chimney Sweep came") == "chimney sweep"
    assert held_out.named_in("Käserei") is None


def test_nothing_is_held_out_without_names():
    assert HeldOut([]).named_in("anything") is None


def test_no_training_text_names_a_golden_occupation():
    material, held_out = load_material(), HeldOut(held_out_names())
    texts = [n.text for n in material.needs] + [n.english for n in material.needs]
    texts += [form for concept in material.concepts for forms in concept.forms.values() for form in forms]
    texts += [said for asides in material.taxonomy.asides.values() for said in asides]
    for occupation in material.taxonomy.occupations:
        texts += [*occupation.own_texts]
        for local in occupation.local.values():
            texts += [local.title, *local.phrases, *local.needs]
    assert [text for text in texts if held_out.named_in(text)] == []


def test_the_taxonomy_is_broad():
    assert len(load_material().taxonomy.occupations) >= 400
