import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kith.errors import ReleaseError
from schemas.records import Education, Position, Profile
from workers.render import (
    BRIEF_RENDERER_ID,
    MAX_BRIEF_CHARS,
    MAX_TEXT_CHARS,
    RENDERER_ID,
    RENDERERS,
    render,
    render_brief,
    renderer,
)

text = st.text(max_size=200)
maybe = st.none() | text


ADA = Profile(
    "Ada Example",
    headline="Cardiologist",
    summary="Treats hearts!",
    location="Lyon, France",
    industry="Health",
    skills=["echo", "echo", "stents"],
    positions=[
        Position("Registrar", "Old Clinic", end="2019"),
        Position("Cardiologist", "City Hospital", description="Heart failure clinic"),
    ],
    education=[Education("Lyon University", "MD", "medicine")],
)


def test_what_says_most_about_the_work_comes_first_and_the_name_not_at_all():
    assert render(ADA) == (
        "Cardiologist. Cardiologist at City Hospital: Heart failure clinic. Treats hearts! Skills: echo, stents. "
        "Before: Registrar at Old Clinic. MD medicine, Lyon University. Health. Lyon, France."
    )


def test_a_brief_text_is_headline_present_job_skills_and_place():
    assert render_brief(ADA) == "Cardiologist. Cardiologist at City Hospital. Skills: echo, stents. Lyon, France."


@pytest.mark.parametrize("by", RENDERERS.values(), ids=RENDERERS)
def test_a_profile_that_says_nothing_has_a_text_all_the_same(by):
    assert by(Profile("Nobody")) == "Profile."


def test_a_renderer_is_found_by_its_id_and_an_unknown_one_named_beside_those_that_there_are():
    assert (renderer(RENDERER_ID), renderer(BRIEF_RENDERER_ID)) == (render, render_brief)
    with pytest.raises(ReleaseError, match=r"'profile-text-9'.*profile-text-1, profile-brief-1"):
        renderer("profile-text-9")


@given(
    st.builds(
        Profile,
        name=text,
        headline=maybe,
        summary=maybe,
        location=maybe,
        skills=st.lists(text, max_size=30),
        positions=st.lists(st.builds(Position, text, maybe, end=maybe), max_size=6),
    )
)
def test_the_text_is_one_bounded_line(profile):
    for by, limit in ((render, MAX_TEXT_CHARS), (render_brief, MAX_BRIEF_CHARS)):
        rendered = by(profile)
        assert rendered
        assert len(rendered) <= limit
        assert rendered == " ".join(rendered.split())


@given(st.text(st.characters(codec=None) | st.sampled_from(" \t\n\x1c\x85\xa0\u2003\u3000"), max_size=12))
@example("a  b")
@example("  ")
def test_every_run_of_white_space_of_a_text_is_one_blank(text):
    assert render(Profile("n", headline=f"a{text}b")) == f"{' '.join(f'a{text}b'.split())}."
    assert render(Profile("n", headline=text, summary=f" {text} x ")).endswith(f"{' '.join(f'{text} x'.split())}.")


def test_a_job_that_is_given_twice_is_told_once():
    job, old = Position("Cook", "Inn"), Position("Waiter", "Bar", end="2019")
    assert render(Profile("n", positions=[job, old, job])) == "Cook at Inn. Cook at Inn. Before: Waiter at Bar."
    assert render(Profile("n", positions=[job, job, job, old])) == "Cook at Inn. Cook at Inn. Before: Waiter at Bar."
    assert render(Profile("n", positions=[old, old])) == "Waiter at Bar."


def test_jobs_that_last_beyond_the_second_come_with_the_past_ones():
    jobs = [Position("Cook"), Position("Waiter"), Position("Host"), Position("Boy", end="2001")]
    assert render(Profile("n", positions=jobs)) == "Cook. Waiter. Before: Host, Boy."


def test_a_very_long_summary_is_cut_between_words():
    rendered = render(Profile("n", headline="Cook", summary="soup " * 5000, skills=["knives"]))
    assert "soup. Skills: knives." in rendered
    assert len(rendered) < MAX_TEXT_CHARS
