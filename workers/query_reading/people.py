"""Whether a word names somebody by what they do. Pure; it knows endings, and says no where it is not sure."""

from __future__ import annotations

from workers.query_reading.words import Word, word_set

_LEAST_LETTERS = 5
_ENDINGS = (
    "er", "or", "ist", "ian", "man", "woman", "person", "nurse", "chef", "coach", "expert", "lawyer", "pilot", "guide",
    "arzt", "arztin", "anwalt", "anwaltin", "erin", "istin", "ler", "iker",
    "eur", "euse", "iste", "ien", "ienne", "ero", "era", "ista", "dor", "dora", "tore", "trice", "iere", "logo", "loga",
    "carz", "arka", "log", "spezialist", "leute", "people",
)  # fmt: skip
# They end like people, and are things, relations, or nobody at all.
_NOBODY = word_set(
    """
    water paper leather butter timber lumber silver copper rubber fiber cider powder flower letter order number
    tractor motor computer container trailer boiler sweater feather ginger pepper cucumber amber tower river laser
    server poster fever cancer disorder spider tiger mirror floor colour color tumor tumour sensor reactor armor
    armour labor labour harbor harbour error mother father brother sister daughter transfer offer answer after
    under other never either whether rather together matter power summer winter newspaper chapter shoulder bladder
    liver counter roller cooler heater printer scanner carrier tanker freighter burger beer dinner wasser leder
    papier silber kupfer zucker pfeffer bier fieber wetter zimmer fenster dialog katalog madera dinero bandera
    carrera primero motore labirinto catalog human german roman italian indian canadian russian ukrainian
    norwegian brazilian professional senior junior major minor exterior interior inferior anterior honor manner
    border folder member center meter filter shower clever proper super larger better bigger older younger former
    later longer inner outer upper lower quarter
    """
)
_SOMEBODY = word_set(
    """
    someone somebody anyone anybody people person persons expert experts specialist jemand jemanden leute personen
    iemand mensen baker cook doctor doctors judge smith nurse nurses chef chefs tutor actor tailor author artist
    medic architect architects poet monk priest midwife vet dentist accountant consultant assistant attendant
    analyst mechanic paralegal apprentice colleague therapist professor
    """
)


def is_person(word: Word | None) -> bool:
    """Whether a word names somebody."""
    if word is None or not word.is_word:
        return False
    one = word.key.removesuffix("s") if len(word.key) > _LEAST_LETTERS else word.key
    if word.key in _SOMEBODY or one in _SOMEBODY:
        return True
    if one in _NOBODY or word.key in _NOBODY or len(one) < _LEAST_LETTERS:
        return False
    return one.endswith(_ENDINGS) or word.key.endswith(("innen", "people", "leute"))
