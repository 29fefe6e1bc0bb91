"""`kith produce` without a cluster: options, output, exit codes and files."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kith.commands.produce import produce
from kith.errors import InputError, SettingsError

DATA = Path(__file__).parents[2] / "data" / "input"

app = typer.Typer()
app.command()(produce)


@pytest.fixture
def run(tmp_path, monkeypatch):
    # Away from any kith.toml and any local parts.
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(x) for x in arguments])


def test_every_rejected_line_is_shown_with_its_reason(run):
    result = run(DATA / "mixed.jsonl", "--dry-run")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert "line 6: name: lone surrogate U+D800 at character 4. Remove that character at the source." in lines
    assert [int(line.split(":")[0].removeprefix("line ")) for line in lines[:-1]] == [2, 4, 5, 6, 8, 10]
    assert lines[-1].startswith("valid 4 of 10, rejected 6;")


def test_only_so_many_are_shown(run):
    result = run(DATA / "mixed.jsonl", "--dry-run", "--max-errors-shown", 2)
    assert len(result.stdout.splitlines()) == 4
    assert "… and 4 more rejected" in result.stdout


def test_a_good_file_ends_with_exit_code_0(run):
    result = run(DATA / "resume_array.json", "--dry-run")
    assert result.exit_code == 0
    assert "languages without a known ISO 639-1 code, left out: 1" in result.stdout


def test_the_report_as_json(run):
    result = run(DATA / "mixed.jsonl", "--dry-run", "--json")
    report = json.loads(result.stdout)
    assert (report["read"], report["valid"], report["rejected"]) == (10, 4, 6)
    assert report["rejections"][1] == {"line": 4, "reason": "profile_id: missing. Every record needs its identity."}


def test_rejected_records_are_written_as_they_were(run, tmp_path):
    run(DATA / "latin1.jsonl", "--dry-run", "--rejected", tmp_path / "bad.jsonl")
    (entry,) = map(json.loads, (tmp_path / "bad.jsonl").read_text().splitlines())
    assert entry["line"] == 1
    assert base64.b64decode(entry["base64"]) == (DATA / "latin1.jsonl").read_bytes().splitlines()[0]
    run(DATA / "mixed.jsonl", "--dry-run", "--rejected", tmp_path / "bad.jsonl")
    entries = list(map(json.loads, (tmp_path / "bad.jsonl").read_text().splitlines()))
    source = (DATA / "mixed.jsonl").read_text().splitlines()
    assert [entry["text"] for entry in entries] == [source[entry["line"] - 1] for entry in entries]


def test_csv_with_a_map(run):
    result = run(DATA / "people.csv", "--dry-run", "--map", "profile_id=id,name=full_name,country=land")
    assert result.exit_code == 1
    assert "valid 3 of 6, rejected 3;" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Either FILE or --synthetic N is needed."),
        (["a.jsonl", "--synthetic", "5"], "Either FILE or --synthetic N is needed."),
        (["absent.jsonl"], "There is no file absent.jsonl."),
        (["."], ". is a directory."),
        ([DATA / "compressed.jsonl"], "is compressed with gzip."),
        ([DATA / "empty.jsonl"], "is empty."),
        ([DATA / "blank.jsonl", "--format", "jsonl", "--dry-run"], "holds no records."),
        ([DATA / "mixed.jsonl", "--out", "x"], "--out goes with --synthetic."),
        ([DATA / "mixed.jsonl", "--rejected", DATA / "mixed.jsonl"], "is the file to read, and would be overwritten."),
        ([DATA / "mixed.jsonl", "--dry-run", "--rejected", "no/such/folder"], "no/such/folder cannot be written"),
        ([DATA / "people.csv", "--map", "nam=full_name"], "unknown field 'nam'. Did you mean name?"),
        (["--synthetic", "5", "--out", "x", "--rejected", "x"], "--rejected and --out name one file."),
    ],
)
def test_what_cannot_be_used_is_one_message(run, arguments, message):
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    assert message in str(error)


def test_without_a_cluster_the_setting_is_named(run):
    error = run(DATA / "mixed.jsonl").exception
    assert isinstance(error, SettingsError)
    assert "KITH_KAFKA_BOOTSTRAP is not set" in str(error)


def test_the_same_seed_writes_the_same_bytes(run, tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        assert run("--synthetic", 50, "--seed", 7, "--out", tmp_path / name).exit_code == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert len((tmp_path / "a.jsonl").read_bytes().splitlines()) == 50
    assert run(tmp_path / "a.jsonl", "--dry-run").exit_code == 0


def test_made_profiles_are_all_valid(run):
    result = run("--synthetic", 500, "--seed", 1, "--dry-run")
    assert result.exit_code == 0, result.stdout
    assert "valid 500 of 500, rejected 0;" in result.stdout


def test_help_has_examples(run):
    result = run("--help")
    assert result.exit_code == 0
    assert "kith produce people.csv --map" in result.stdout
