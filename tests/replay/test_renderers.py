import json

import pytest

from distill.export import ExportPlan, export
from kith import wiring
from schemas.records import Position, Profile, ProfileChange
from tests import tiny_encoder
from tests.integration.accounting import audited, wait_settled
from tests.integration.bus import upsert
from tests.kith_process import one_line_error, run
from tests.waiting import wait_until
from workers.model_collections import collection_name
from workers.render import BRIEF_RENDERER_ID, RENDERER_ID, render, render_brief

RELEASE = "tiny-brief"


def exported(folder, renderer, shape=tiny_encoder.SMALL):
    """A release of a tiny encoder under `folder`."""
    tiny_encoder.write(folder / "encoder", shape=shape, words=tiny_encoder.SPELLING)
    plan = ExportPlan(RELEASE, folder / "models", folder / "encoder", renderer=renderer)
    return export(plan, say=lambda _line: None).folder


def with_release(settings, folder):
    """The same installation, as the workers of another release see it."""
    other = settings.model_copy(update={"model_dir": folder})
    other.model_fields_set.add("model_dir")
    wiring.topic_admin(other).apply(wiring.topics(other).all())
    return other


@pytest.fixture
def brief(settings, tmp_path):
    return with_release(settings, exported(tmp_path, BRIEF_RENDERER_ID))


def texts(settings, model):
    """Text by profile id, as the collection of a release holds it."""
    index = wiring.index(settings)
    name = collection_name(model, settings.collection_prefix)
    rows = index.connection.call(
        "read", 10.0, lambda c, left: c.query(name, filter="", limit=100, output_fields=["text"], timeout=left)
    )
    index.close()
    return {row["profile_id"]: row["text"] for row in rows}


def test_two_releases_index_one_stream_each_in_its_own_words(settings, brief, worker, bus):
    worker(settings, "index")
    worker(brief, "index")
    profile = Profile(
        "Ada",
        headline="Cardiologist",
        summary="Treats hearts.",
        skills=["echo"],
        location="Lyon",
        positions=[Position("Cardiologist", "City Hospital", description="Heart failure clinic")],
    )
    change = upsert("ada", "Cardiologist")
    bus.send(ProfileChange("ada", 1, change.occurred_at, change.operation, "test", profile))
    for one in (settings, brief):
        wait_settled(one)
    assert texts(settings, settings.model_dir.name) == {"ada": render(profile)}
    assert texts(brief, RELEASE) == {"ada": render_brief(profile)}
    assert render_brief(profile) == "Cardiologist. Cardiologist at City Hospital. Skills: echo. Lyon."

    # What only the longer text holds is no reason for the brief one to be embedded again.
    longer = ProfileChange("ada", 2, change.occurred_at, change.operation, "test", replaced(profile, "Treats many."))
    bus.send(longer)
    for one in (settings, brief):
        wait_settled(one)
    assert "Treats many." in texts(settings, settings.model_dir.name)["ada"]
    assert texts(brief, RELEASE) == {"ada": render_brief(profile)}
    for one in (settings, brief):
        assert audited(one).exact


def replaced(profile, summary):
    return Profile(
        profile.name, profile.headline, summary, profile.location, skills=profile.skills, positions=profile.positions
    )


def test_a_rebuild_writes_the_words_of_its_release(brief, worker, bus):
    worker(brief, "index")
    bus.send(upsert("p", "Roofer", summary="Slate and tiles."))
    wait_settled(brief)
    index = wiring.index(brief)
    index.delete(collection_name(RELEASE, brief.collection_prefix), ["p"], 10.0)
    index.close()
    said = run(brief, "rebuild", "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    assert json.loads(said.stdout)["written"] == 1
    wait_until(lambda: texts(brief, RELEASE), lambda found: found == {"p": "Roofer."})


@pytest.mark.parametrize(
    ("renderer", "shape", "words"),
    [
        (RENDERER_ID, tiny_encoder.SMALL, f"renderer {BRIEF_RENDERER_ID}, but this release has renderer {RENDERER_ID}"),
        (BRIEF_RENDERER_ID, tiny_encoder.Shape(hidden=32), "dimensions 16, but this release has dimensions 32"),
    ],
)
def test_a_release_of_the_same_name_with_other_texts_or_vectors_is_refused(
    settings, brief, tmp_path, renderer, shape, words
):
    index = wiring.index(brief)
    wiring.live_collection(brief, index)
    index.close()
    other = with_release(settings, exported(tmp_path / "other", renderer, shape))
    done = run(other, "index")
    assert done.returncode == 2
    assert words in one_line_error(done)


def test_a_release_for_a_renderer_that_is_not_there_is_refused(settings, brief, tmp_path):
    manifest = brief.model_dir / "manifest.json"
    manifest.write_text(manifest.read_text().replace(BRIEF_RENDERER_ID, "profile-text-9"))
    done = run(brief, "index")
    assert done.returncode == 2
    assert "profile-text-1, profile-brief-1" in one_line_error(done)
