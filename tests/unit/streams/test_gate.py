import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import InputError
from schemas.records import KnownProfile, Operation, Outcome, Profile, ProfileChange
from streams import gate
from streams.gate import UNNUMBERED, Kind
from streams.incoming import Change, Incoming
from workers.render import render, render_brief


def plan(changes, known):
    return gate.plan(changes, known, render)


def judge(known, change):
    return gate.judge(known, change, render)


def made(offset, version, *, headline=None, name="Ann", operation=Operation.UPSERT, changed=None, id_="p"):
    incoming = Incoming("t", 0, offset, id_.encode(), b"-")
    if operation is None:
        return Change(incoming, id_, None)
    profile = None if operation is Operation.DELETE else Profile(name=name, headline=headline)
    return Change(incoming, id_, ProfileChange(id_, version, 1000 + offset, operation, None, profile, changed))


def patch(offset, version, id_="p", **fields):
    return made(offset, version, operation=Operation.PATCH, changed=sorted(fields), id_=id_, **fields)


def known_after(*changes):
    (work,) = plan(changes, {}).work
    return work.after


def test_a_first_change_is_embedded():
    (work,) = plan([made(0, 1, headline="Roofer")], {}).work
    assert work.kind is Kind.EMBED
    assert work.after.text_sha256 == hashlib.sha256(work.text.encode()).digest()
    assert [outcome for _, outcome in work.outcomes] == [Outcome.INDEXED]


def test_an_older_version_is_stale_and_an_equal_one_only_if_it_says_something_else():
    known = known_after(made(0, 5, headline="Roofer"))
    assert judge(known, made(9, 4, headline="Baker")) is Outcome.STALE
    assert judge(known, made(9, 5, headline="Baker")) is Outcome.STALE
    assert judge(known, made(9, 5, headline="Roofer")) is Outcome.UNCHANGED
    assert judge(known, patch(9, 5, headline="Roofer")) is Outcome.UNCHANGED
    assert judge(known, made(9, 5, operation=Operation.DELETE)) is Outcome.STALE


def test_the_same_text_under_a_new_version_changes_fields_only():
    known = known_after(made(0, 1, headline="Roofer"))
    (work,) = plan([made(1, 2, headline="Roofer", name="Ann Other")], {"p": known}).work
    assert (work.kind, work.after.version) == (Kind.FIELDS, 2)
    assert work.outcomes[0][1] is Outcome.UNCHANGED


def test_what_is_embedded_and_hashed_is_the_text_of_the_renderer_that_was_given():
    def shout(profile):
        return profile.headline.upper()

    first = [made(0, 1, headline="Roofer", name="Ann")]
    (work,) = gate.plan(first, {}, shout).work
    assert (work.text, work.after.text_sha256) == ("ROOFER", hashlib.sha256(b"ROOFER").digest())
    assert plan(first, {}).work[0].after.text_sha256 != work.after.text_sha256


def test_what_a_renderer_leaves_out_is_no_reason_to_embed():
    def with_summary(offset, version, summary):
        change = made(offset, version, headline="Roofer")
        return replace(change, change=replace(change.change, profile=Profile("Ann", "Roofer", summary)))

    for by, kind in ((render, Kind.EMBED), (render_brief, Kind.FIELDS)):
        (before,) = gate.plan([with_summary(0, 1, "Slate.")], {}, by).work
        (work,) = gate.plan([with_summary(1, 2, "Tiles.")], {"p": before.after}, by).work
        assert work.kind is kind


def test_a_patch_changes_its_fields_and_keeps_the_others():
    known = known_after(made(0, 1, headline="Roofer"))
    after = judge(known, patch(1, 2, headline="Baker"))
    assert (after.profile.headline, after.profile.name) == ("Baker", "Ann")
    with pytest.raises(InputError, match="unknown"):
        judge(None, patch(0, 1, headline="Baker"))
    gone = known_after(made(0, 1), made(1, 2, operation=Operation.DELETE))
    with pytest.raises(InputError, match="deleted"):
        judge(gone, patch(2, 3, headline="Baker"))


def test_a_deletion_keeps_its_version_so_that_only_a_newer_change_brings_the_profile_back():
    gone = known_after(made(0, 5), made(1, 7, operation=Operation.DELETE))
    assert judge(gone, made(2, 6)) is Outcome.STALE
    assert judge(gone, made(2, 7)) is Outcome.STALE
    assert judge(gone, made(2, 7, operation=Operation.DELETE)) is Outcome.UNCHANGED
    assert judge(gone, made(2, 8)).profile is not None
    bare = known_after(made(0, 5), made(1, None, operation=None))
    assert (bare.version, bare.profile) == (5, None)
    assert known_after(made(0, None, operation=None)).version == UNNUMBERED
    assert judge(bare, made(2, None, operation=None)) is Outcome.UNCHANGED


def test_changes_of_one_batch_are_worked_on_once_and_end_as_if_each_came_alone():
    log = [made(0, 1, headline="A"), made(1, 2, headline="B"), patch(2, 3, name="Bo"), made(3, 2, headline="C")]
    decided = plan(log, {})
    (work,) = decided.work
    assert [outcome for _, outcome in work.outcomes] == [Outcome.INDEXED, Outcome.INDEXED, Outcome.UNCHANGED]
    assert (work.after.profile.headline, work.after.profile.name, work.kind) == ("B", "Bo", Kind.EMBED)
    assert [outcome for _, outcome in decided.aside] == [Outcome.STALE]


def test_what_a_crash_brings_again_ends_as_before():
    batch = [made(0, 1, headline="A"), made(1, 2, headline="B"), patch(2, 3, name="Bo")]
    (work,) = plan(batch, {}).work
    again = plan(batch, {"p": work.after})
    assert again.work == []
    assert again.aside == list(work.outcomes)


changes = st.lists(
    st.tuples(
        st.sampled_from("xyz"),
        st.integers(0, 6),
        st.sampled_from(["upsert", "patch", "delete", "tombstone"]),
        st.sampled_from("ABC"),
    ),
    max_size=25,
)


@given(changes, st.lists(st.integers(1, 6), max_size=25))
def test_however_the_log_is_cut_into_batches_the_same_is_known(drawn, cuts):
    log = [_change(offset, *values) for offset, values in enumerate(drawn)]
    one_by_one, in_batches = _run([[change] for change in log]), _run(_cut(log, cuts))
    assert {i: _bare(k) for i, k in one_by_one[0].items()} == {i: _bare(k) for i, k in in_batches[0].items()}
    assert len(in_batches[1]) == len(log)
    assert one_by_one[1] == in_batches[1]


@given(changes)
def test_versions_never_fall_and_the_text_is_that_of_the_profile(drawn):
    known = {}
    for offset, values in enumerate(drawn):
        change = _change(offset, *values)
        before = known.get(change.profile_id)
        for work in plan([change], known).work:
            known[work.profile_id] = work.after
        after = known.get(change.profile_id)
        if before is not None:
            assert after.version >= before.version
        if after is not None and after.profile is not None:
            assert after.text_sha256 == hashlib.sha256(render(after.profile).encode()).digest()


def _change(offset, id_, version, kind, text):
    if kind == "upsert":
        return made(offset, version, headline=text, id_=id_)
    if kind == "patch":
        return patch(offset, version, headline=text, id_=id_)
    return made(offset, version, operation=Operation.DELETE if kind == "delete" else None, id_=id_)


def _cut(log, cuts):
    batches, at = [], 0
    for size in cuts:
        batches.append(log[at : at + size])
        at += size
    return [*batches, log[at:]]


def _run(batches):
    known, outcomes = {}, {}
    for batch in batches:
        decided = plan(batch, known)
        for work in decided.work:
            known[work.profile_id] = work.after
            outcomes |= {change.incoming.offset: outcome for change, outcome in work.outcomes}
        outcomes |= {change.incoming.offset: outcome for change, outcome in decided.aside}
        outcomes |= {change.incoming.offset: Outcome.DEAD_LETTERED for change, _ in decided.refused}
    return known, outcomes


def _bare(known: KnownProfile):
    return replace(known, settled=[])
