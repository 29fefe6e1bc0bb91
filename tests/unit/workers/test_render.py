from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Education, Position, Profile
from workers.render import MAX_TEXT_CHARS, render

text = st.text(max_size=200)
maybe = st.none() | text


def test_what_says_most_about_the_work_comes_first_and_the_name_not_at_all():
    profile = Profile(
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
    assert render(profile) == (
        "Cardiologist. Cardiologist at City Hospital: Heart failure clinic. Treats hearts! Skills: echo, stents. "
        "Before: Registrar at Old Clinic. MD medicine, Lyon University. Health. Lyon, France."
    )


def test_a_profile_that_says_nothing_has_a_text_all_the_same():
    assert render(Profile("Nobody")) == "Profile."


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
    rendered = render(profile)
    assert rendered
    assert len(rendered) <= MAX_TEXT_CHARS
    assert rendered == " ".join(rendered.split())


def test_a_very_long_summary_is_cut_between_words():
    rendered = render(Profile("n", headline="Cook", summary="soup " * 5000, skills=["knives"]))
    assert "soup. Skills: knives." in rendered
    assert len(rendered) < MAX_TEXT_CHARS
