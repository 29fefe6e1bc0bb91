from collections import Counter

from benchmarks.endurance import every
from schemas.codec import Codec
from schemas.records import ProfileChange
from schemas.topics import Topics
from tests.fakes_bus import MemoryRegistry


def test_everybody_comes_first_and_then_every_kind_of_event():
    codec, topic, known = Codec(MemoryRegistry()), Topics("t.").changes, Counter()
    newest, texts = {}, {}
    for number, one in enumerate(every(codec, topic, 3000, 100)):
        if one.value is None:
            known["gone"] += 1
        elif one.value.startswith(b"\x00garbage"):
            known["garbage"] += 1
        else:
            change = codec.decode(one.value, ProfileChange)
            who, before = change.profile_id, newest.get(change.profile_id, 0)
            assert (before == 0) == (number < 100)
            text = change.profile.headline
            kind = "late" if change.version < before else "again" if change.version == before else "newer"
            known["new text" if kind == "newer" and texts.get(who) not in (None, text) else kind] += 1
            newest[who] = max(before, change.version)
            texts[who] = text if kind == "newer" else texts[who]
    assert known.keys() == {"newer", "again", "late", "new text", "gone", "garbage"}
    assert 1900 < known["again"] < 2200
    assert 10 < known["new text"] < 60
