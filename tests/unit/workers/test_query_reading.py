"""What is read out of questions in eight languages, and what must not be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.validation import SENIORITIES
from workers.contract import OwnOperator
from workers.filters import MAX_OWN_FILTERS, MAX_VALUES, expression
from workers.query_reading.lexicon import countries, tongues, towns
from workers.query_reading.reader import MAX_CHARS, read_query

BERLIN, LYON = ("location", "Berlin"), ("location", "Lyon")


def read(text):
    """Field and first value of each condition; years with their operator."""
    return [
        (one.field, f"{one.operator.value} {one.values[0]}" if one.field == "years" else one.values[0])
        for one in read_query(text).filters
    ]


@pytest.mark.parametrize(
    ("text", "place", "rest"),
    [
        ("dentist in Berlin", BERLIN, "dentist"),
        ("dentist in berlin?", BERLIN, "dentist?"),
        ("who is based in Berlin and bakes", BERLIN, "who is and bakes"),
        ("a dentist based in Berlin", BERLIN, "a dentist"),
        ("Berlin-based photographer", BERLIN, "photographer"),
        ("smashed window, Berlin", BERLIN, "smashed window"),
        ("clock repair in the Netherlands", ("country", "NL"), "clock repair"),
        ("lawyer in the US", ("country", "US"), "lawyer"),
        ("somebody from Germany who repairs clocks", ("country", "DE"), "somebody who repairs clocks"),
        ("nurses from Poland", ("country", "PL"), "nurses"),
        ("young fitter in Nice", ("location", "Nice"), "young fitter"),
        ("Asian art estimates in Paris", ("location", "Paris"), "Asian art estimates"),
        ("Zahnarzt in München", ("location", "München"), "Zahnarzt"),
        ("Anwältin in der Schweiz", ("country", "CH"), "Anwältin"),
        ("Tischlerin aus Berlin", BERLIN, "Tischlerin"),
        ("dentista en Madrid", ("location", "Madrid"), "dentista"),
        ("abogado en España", ("country", "ES"), "abogado"),
        ("électricien à Lyon", LYON, "électricien"),
        ("notaire aux Pays-Bas", ("country", "NL"), "notaire"),
        ("cerco un idraulico a Milano", ("location", "Milano"), "cerco un idraulico"),
        ("avvocato in Germania", ("country", "DE"), "avvocato"),
        ("canalizador em Lisboa", ("location", "Lisboa"), "canalizador"),
        ("procuro um advogado no Brasil", ("country", "BR"), "procuro um advogado"),
        ("loodgieter in Brussel", ("location", "Bruxelles"), "loodgieter"),
        ("advocaat in Duitsland", ("country", "DE"), "advocaat"),
        ("hydraulik w Krakowie", ("location", "Kraków"), "hydraulik"),
        ("prawnik w Niemczech", ("country", "DE"), "prawnik"),
        ("hydraulik w Łodzi", ("location", "Łódź"), "hydraulik"),
        ("foot specialist in Leeds", ("location", "Leeds"), "foot specialist"),
    ],
)
def test_a_place_is_read(text, place, rest):
    assert read(text) == [place]
    assert read_query(text).rest == rest


def test_a_town_goes_by_all_its_names():
    (found,) = read_query("hydraulik w Warszawie").filters
    assert found.operator is OwnOperator.STARTS_WITH
    assert {"Warszawa", "Warsaw", "Warschau", "Varsovie"} <= set(found.values)
    assert "Warszawie" not in found.values


def test_places_of_one_kind_are_alternatives_and_a_country_may_close_a_town():
    (towns_,) = read_query("dentist in Berlin, Hamburg or in Munich").filters
    assert {"Berlin", "Hamburg", "München"} <= set(towns_.values)
    (countries_,) = read_query("dentist in Germany or Austria").filters
    assert countries_.values == ("DE", "AT")
    assert read("dentist in Berlin, Germany") == [BERLIN, ("country", "DE")]
    assert read("dentist in Berlin or Austria") == []


@pytest.mark.parametrize(
    ("text", "codes", "operator"),
    [
        ("a dentist who speaks Polish", ("pl",), "contains_all"),
        ("dentist, speaks polish and German", ("pl", "de"), "contains_all"),
        ("lawyer fluent in Dutch or German", ("nl", "de"), "contains_any"),
        ("Polish-speaking dentist", ("pl",), "contains_all"),
        ("native Polish speaker for a voice-over", ("pl",), "contains_all"),
        ("people who speak Ukrainian, Polish and English", ("uk", "pl", "en"), "contains_all"),
        ("polnischsprachiger Anwalt", ("pl",), "contains_all"),
        ("Anwalt, der Polnisch und Englisch spricht", ("pl", "en"), "contains_all"),
        ("tandarts die Pools spreekt", ("pl",), "contains_all"),
        ("Leute, die Polnisch sprechen", ("pl",), "contains_all"),
        ("des gens qui parlent polonais", ("pl",), "contains_all"),
        ("dentiste qui parle couramment polonais", ("pl",), "contains_all"),
        ("dentista que habla polaco", ("pl",), "contains_all"),
        ("dentista che parla polacco o tedesco", ("pl", "de"), "contains_any"),
        ("dentista que fala inglês", ("en",), "contains_all"),
        ("lekarz mówi po angielsku i po niemiecku", ("en", "de"), "contains_all"),
    ],
)
def test_languages_are_read(text, codes, operator):
    (found,) = read_query(text).filters
    assert (found.field, found.values, found.operator.value) == ("languages", codes, operator)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("accountant with 10 years of experience", "at_least 10"),
        ("accountant with 10+ years experience", "at_least 10"),
        ("accountant with at least 5 years", "at_least 5"),
        ("at least 5 years of experience as a welder", "at_least 5"),
        ("welder with more than ten years' experience", "at_least 10"),
        ("welder, 5-10 years of professional experience", "at_least 5"),
        ("welder with up to 3 years of experience", "at_most 3"),
        ("welder with less than 3 years of experience", "at_most 2"),
        ("Schweißer mit mindestens 10 Jahren Berufserfahrung", "at_least 10"),
        ("soldador con más de 10 años de experiencia", "at_least 10"),
        ("soudeur avec 10 ans d'expérience", "at_least 10"),
        ("soudeur avec 10 ans d’expérience", "at_least 10"),
        ("saldatore con almeno 5 anni di esperienza", "at_least 5"),
        ("soldador com pelo menos 5 anos de experiência", "at_least 5"),
        ("lasser met minstens 5 jaar ervaring", "at_least 5"),
        ("spawacz z 10-letnim doświadczeniem", "at_least 10"),
        ("spawacz, co najmniej 5 lat doświadczenia", "at_least 5"),
    ],
)
def test_years_are_read(text, years):
    assert read(text) == [("years", years)]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("senior software engineer", "senior"),
        ("looking for a senior accountant", "senior"),
        ("Senior-Entwickler", "senior"),
        ("ingénieur senior", "senior"),
        ("junior developer", "junior"),
        ("entry-level designer", "junior"),
        ("mid-level data analyst", "mid"),
    ],
)
def test_a_level_is_read(text, level):
    assert read(text) == [("seniority", level)]
    assert set(read_query(text).filters[0].values) <= set(SENIORITIES)


@pytest.mark.parametrize(
    "text",
    [
        "senior care nurse",
        "nurse for senior citizens",
        "senior living adviser",
        "senior dog vet",
        "junior school teacher",
        "junior football coach",
        "lead shielding",
        "infant feeding lead",
        "head of bioinformatics",
        "who can polish my car",
        "polish the floor",
        "Polish sausage maker",
        "translator from Polish",
        "somebody who does not speak Polish",
        "learn to speak Polish",
        "teach my son to speak German",
        "public speaking coach",
        "English speaking exam",
        "English-speaking countries",
        "German shepherd breeder",
        "help in reading",
        "a tutor in Reading",
        "reading glasses",
        "floors in cork",
        "in nice weather",
        "paint in china",
        "Paris Hilton impersonator",
        "a letter from Paris",
        "call Paris",
        "the Treaty of Paris",
        "a Paris café owner",
        "in Florence Welch's band",
        "in Austin Powers style",
        "Berlin's best baker",
        "in Paris, Texas",
        "in Berlin, NH",
        "wine from France",
        "leather from Italy",
        "flights from Rome to Paris",
        "movers from London to Paris",
        "invest in China",
        "expert in China",
        "tax law in Switzerland",
        "born in Poland",
        "interested in Japan",
        "history of the war in Vietnam",
        "who feeds my cat when I am in Greece",
        "a company in Japan wants to order from us",
        "comment vendre notre produit en Espagne ?",
        "tous mes cartons de Lille à Nantes",
        "tutti i miei scatoloni da Torino a Bari",
        "me apunté a Nueva York",
        "zapisałam się na Nowy Jork do biegu",
        "Wer findet Muster in Bergen von Zahlen?",
        "Unsere Gäste sprechen Chinesisch und wir verstehen kein Wort",
        "not in Berlin",
        "anywhere but in Germany",
        "outside Berlin",
        "dentist near Berlin",
        "in Berlin-Mitte",
        "in Berlin or Austria",
        "she moved in with us",
        "help us in us",
        "Nice people",
        "sentenced to at least 5 years",
        "a loan of at least 5 years",
        "my son is at least 5 years old",
        "10 years old boy",
        "he has 10 years left on his mortgage",
        "in Berlin and, as ever, in Leeds",
        "",
        "   ",
        "?",
        "in",
        "speaks",
        "from",
    ],
)
def test_what_is_not_sure_is_not_read(text):
    assert read(text) == []
    assert read_query(text).rest == text


def test_several_kinds_are_read_from_one_question_with_their_words():
    reading = read_query("senior welder in Berlin who speaks Polish with 10 years of experience")

    assert reading.rest == "welder"
    assert [(one.field, words) for one, words in reading.said] == [
        ("seniority", "senior"),
        ("location", "in Berlin"),
        ("languages", "who speaks Polish"),
        ("years", "with 10 years of experience"),
    ]


@pytest.mark.parametrize("text", ["in Berlin", "speaks Polish", "in Berlin, speaks Polish!"])
def test_a_question_of_nothing_else_is_searched_for_as_it_is(text):
    assert read_query(text).filters
    assert read_query(text).rest == text


def test_a_document_is_not_read():
    assert read("x " * 150 + "in Berlin") == [BERLIN]
    assert read("x " * (MAX_CHARS // 2) + "in Berlin") == []


def test_a_list_that_no_filter_would_take_is_not_read():
    by_spellings = {town.spellings: town for town in towns().every() if not (town.is_name or town.is_word)}
    many = sorted(by_spellings, key=len, reverse=True)[:45]
    text = "in " + ", ".join(min(spellings, key=len) for spellings in many)

    assert len(text) < MAX_CHARS
    assert sum(map(len, many)) > MAX_VALUES
    assert read(text) == []
    assert read(", ".join(text.split(", ")[:5])) == [("location", many[0][0])]


SAYINGS = st.sampled_from(
    [
        "in Berlin",
        "from Germany",
        "in Berlin, Germany or",
        "speaks Polish",
        "spricht",
        "und",
        "or",
        ",",
        "-based",
        "to",
        "senior",
        "nurse",
        "with",
        "10 years",
        "of experience",
        "at least",
        "Paris",
        "Nice",
        "not",
        "à",
        "w",
        "no",
        "a",
        "mid-level",
        "Polish-speaking",
        "’",
        "-",
        "Łodzi",
        "İstanbul",
        "\u0301",
        "\u00a0",
        "5–10 ans d’",
        "expérience",
    ]
)


@given(st.text(max_size=60) | st.lists(SAYINGS | st.text(max_size=5), max_size=12).map(" ".join))
def test_any_text_is_read_without_an_error_and_something_is_left_to_search_for(text):
    reading = read_query(text)

    assert bool(reading.rest.strip()) == bool(text.strip())
    if not reading.said:
        assert reading.rest == text
    assert len(reading.filters) < MAX_OWN_FILTERS
    assert all(words.strip() for _one, words in reading.said)
    expression(reading.filters)  # every condition is one that an index takes


def test_the_tables_hold_what_filters_compare_with():
    assert (countries().get("Niemczech"), tongues().get("alemán")) == ("DE", "de")
    every = [name for town in towns().every() for name in town.spellings]
    assert not [name for name in every if set("%_\\") & set(name)]
    assert towns().get("cracow") == towns().get("KRAKÓW")
