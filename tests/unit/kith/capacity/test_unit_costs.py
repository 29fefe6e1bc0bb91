import pytest

from benchmarks import unit_cost_file
from kith.capacity.unit_costs import FILE, read_unit_costs
from kith.errors import InputError

WHOLE = 'value = 1.5\nunit = "B"\nwhat = "w"\ncommand = "c"\nmachine = "m"\ndate = "2026-11-26"\nsource = "s"\n'


def test_the_file_holds_what_the_benchmarks_measured():
    assert FILE.read_text() == unit_cost_file.text(), "write it again: python -m benchmarks.unit_cost_file"


def test_every_figure_says_what_measured_it():
    costs = read_unit_costs()
    assert list(costs) == [one.name for one in unit_cost_file.FIGURES]
    for one in costs.values():
        results = one.source.removeprefix("benchmarks/results/").partition(".json: ")[0]
        assert one.command.split()[:3] == ["python", "-m", f"benchmarks.{results}"]
        assert one.machine
        assert one.what


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a]\nvalue = ", "not valid TOML"),
        ("[a]\nvalue = 1\n", "a needs exactly"),
        ("a = 1\n", "a needs exactly"),
        ("[a]\n" + WHOLE + "more = 1\n", "a needs exactly"),
        ("[a]\n" + WHOLE.replace("1.5", "0"), "a number above 0"),
        ("[a]\n" + WHOLE.replace("1.5", "true"), "a number above 0"),
        ("[a]\n" + WHOLE.replace("1.5", "nan"), "a number above 0"),
        ("[a]\n" + WHOLE.replace("1.5", '"2"'), "a number above 0"),
    ],
)
def test_a_file_that_says_too_little_is_refused_by_name(tmp_path, text, told):
    file = tmp_path / "costs.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=told):
        read_unit_costs(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml cannot be read"):
        read_unit_costs(tmp_path / "none.toml")


def test_a_whole_file_is_read(tmp_path):
    file = tmp_path / "costs.toml"
    file.write_text("[a]\n" + WHOLE)
    assert read_unit_costs(file)["a"].value == 1.5
