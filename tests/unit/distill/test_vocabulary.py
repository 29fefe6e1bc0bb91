import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from distill.lexicon import Concept
from distill.taxonomy import LANGUAGES
from distill.vocabulary import NewToken, choose_tokens, grow, whole_words
from kith.errors import InputError

WORDS = [
    "[PAD]",
    "[unused0]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "roof",
    "tax",
    "return",
    "##a",
    "##c",
    "##h",
    "##d",
    "d",
    "字",
]
LETTERS = [f"##{c}" for c in "befgijklmnopqrstuvwxyz"] + list("abcefghijklmnopqrstuvwxyz")


@pytest.fixture
def tokenizer():
    vocabulary = {word: number for number, word in enumerate(WORDS + LETTERS)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def concept(english, german):
    return Concept({language: (english,) if language == "en" else german for language in LANGUAGES})


def test_words_of_the_lexicon_become_tokens_with_their_english(tokenizer):
    (chosen,) = choose_tokens(tokenizer, [concept("roof", ("Dach",))], [], {}, 10)
    assert chosen == NewToken("dach", ("roof",) * 7)


def test_forms_that_begin_alike_share_a_token(tokenizer):
    chosen = choose_tokens(tokenizer, [concept("repair", ("reparieren", "repariert"))], [], {}, 10)
    assert [new.token for new in chosen] == ["reparier"]


def test_parts_of_compounds_continue_words(tokenizer):
    lexicon = [concept("insurance", ("Versicherung",)), concept("health insurance", ("Krankenversicherung",))]
    assert "##versicherung" in [new.token for new in choose_tokens(tokenizer, lexicon, [], {}, 10)]


def test_a_word_of_texts_needs_to_come_back(tokenizer):
    texts = ["selten oft", "oft", "oft"]
    assert [new.token for new in choose_tokens(tokenizer, [], texts, {}, 10)] == ["oft"]


def test_a_word_of_texts_that_is_translated_begins_as_its_english(tokenizer):
    chosen = choose_tokens(tokenizer, [], ["selten"], {"selten": ("rare",)}, 10)
    assert chosen == [NewToken("selten", ("rare",))]


def test_new_tokens_take_free_places_and_begin_as_their_english(tokenizer):
    embeddings = np.random.default_rng(1).normal(size=(len(WORDS + LETTERS), 4)).astype(np.float32)
    new = [NewToken("dach", ("roof",)), NewToken("steuererklarung", ("tax return",)), NewToken("spat", ())]
    tokenizer.enable_padding(length=16)
    grown, rows, is_new = grow(tokenizer.to_str(), embeddings, new, most=len(embeddings) + 1)
    made = Tokenizer.from_str(grown)
    made.no_padding()
    assert made.encode("Dach").ids == [1]  # [unused0] had it
    np.testing.assert_allclose(rows[1], embeddings[WORDS.index("roof")], rtol=1e-5)
    assert made.encode("Steuererklärung").ids == [WORDS.index("字")]
    two = embeddings[[WORDS.index("tax"), WORDS.index("return")]].mean(axis=0)
    found = rows[WORDS.index("字")]
    assert found @ two / np.linalg.norm(found) / np.linalg.norm(two) == pytest.approx(1, abs=1e-5)
    assert len(rows) == len(embeddings) + 1
    assert is_new.sum() == 3
    np.testing.assert_array_equal(rows[: len(embeddings)][~is_new[: len(embeddings)]], embeddings[~is_new[:-1]])


def test_every_number_of_the_grown_vocabulary_has_one_token(tokenizer):
    embeddings = np.ones((len(WORDS + LETTERS), 4), dtype=np.float32)
    grown, rows, _ = grow(tokenizer.to_str(), embeddings, [NewToken("dach", ("roof",))], most=100)
    vocabulary = json.loads(grown)["model"]["vocab"]
    assert sorted(vocabulary.values()) == list(range(len(rows)))


def test_another_kind_of_vocabulary_is_refused():
    with pytest.raises(InputError, match="BPE"):
        grow(Tokenizer(models.BPE()).to_str(), np.ones((1, 4), dtype=np.float32), [], 10)


def test_whole_words_leave_out_pieces_and_marks(tokenizer):
    assert whole_words(tokenizer) == ("roof", "tax", "return")
