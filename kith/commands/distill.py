"""`kith distill`: train encoders and make model releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kith.errors import MissingTool
from workers.render import RENDERER_ID

if TYPE_CHECKING:
    from distill.training.run import Progress
    from workers.release import Release

app = typer.Typer(
    help="Train the teacher and the student, make model releases; needs kith[train,eval].", no_args_is_help=True
)

_WORK = Path(".kith/distill")


@app.command("export")
def export(
    release: str = typer.Option(..., "--release", help="Name of the release, for example student-v0."),
    encoder: Path = typer.Option(
        None, "--encoder", help="Folder of a BERT encoder (config.json, model.safetensors, tokenizer.json)."
    ),
    out: Path = typer.Option(Path("models"), "--out", help="Folder that holds releases."),
    language: list[str] = typer.Option(["en"], "--language", help="Language it was trained for, ISO 639-1; repeat."),
    renderer: str = typer.Option(RENDERER_ID, "--renderer", help="Renderer of its texts; profile-brief-1: short ones."),
    half: bool = typer.Option(False, "--fp16", help="Add a float16 graph, which GPUs run instead of the int8 one."),
    force: bool = typer.Option(False, "--force", help="Replace a release of that name."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest as JSON."),
) -> None:
    """Turn an encoder into a release without measuring it: int8 graph with pooling inside, tokenizer, manifest.

    Without --encoder, the pretrained all-MiniLM-L6-v2 is exported. The same command gives the same bytes.
    A release for another renderer than training's has to be measured with `kith eval` before it is used.

    Example: `kith distill export --release student-v0 --out models --force`
    """
    with _training_installed():
        from distill.export import ExportPlan
        from distill.export import export as make
    plan = ExportPlan(release, out, encoder, tuple(language), force, renderer, half)
    _show(make(plan, say=_say), as_json=as_json)


@app.command("teacher")
def teacher(
    encoder: Path | None = typer.Option(
        None, "--encoder", help="Folder of the encoder to grow from; the pretrained all-MiniLM-L6-v2 without it."
    ),
    out: Path = typer.Option(_WORK / "teacher", "--out", help="Folder for the teacher and its checkpoints."),
    steps: int = typer.Option(430, "--steps", min=1, help="Training steps."),
    vocabulary: int = typer.Option(50_000, "--vocabulary", min=1, help="Most tokens of the grown vocabulary."),
    seed: int = typer.Option(1, "--seed", help="The same seed gives the same training."),
) -> None:
    """Fine-tune an encoder on people search in eight languages. Interrupted, the same command goes on.

    Example: `kith distill teacher --steps 430 --out .kith/distill/teacher`
    """
    with _training_installed():
        from distill.export import pretrained_folder
        from distill.teacher import TeacherPlan, train_teacher
        from distill.training.material import data_hashes, load_material
    start = pretrained_folder() if encoder is None else encoder
    plan = TeacherPlan(start, out, vocabulary=vocabulary, steps=steps, seed=seed)
    with _progress("teacher") as report:
        made = train_teacher(plan, load_material(), data_hashes(), report)
    typer.echo(made)


@app.command("student")
def student(
    teacher: Path = typer.Option(_WORK / "teacher" / "encoder", "--teacher", help="Folder of the teacher's encoder."),
    out: Path = typer.Option(_WORK / "student", "--out", help="Folder for the student and its checkpoints."),
    layer: list[int] = typer.Option(
        [0, 2, 5], "--layer", help="Layer of the teacher to begin with; repeat, lowest first."
    ),
    steps: int = typer.Option(800, "--steps", min=1, help="Training steps."),
    seed: int = typer.Option(2, "--seed", help="The same seed gives the same training."),
) -> None:
    """Distil the teacher into a few of its layers. Interrupted, the same command goes on.

    Example: `kith distill student --steps 800 --layer 0 --layer 2 --layer 5`
    """
    with _training_installed():
        from distill.student import StudentPlan, train_student
        from distill.training.material import data_hashes, load_material
    plan = StudentPlan(teacher, out, layers=tuple(layer), steps=steps, seed=seed)
    with _progress("student") as report:
        made = train_student(plan, load_material(), data_hashes(), report)
    typer.echo(made)


@app.command("release")
def release(
    release: str = typer.Option(..., "--release", help="Name of the release, for example student-v1."),
    student: Path = typer.Option(_WORK / "student" / "encoder", "--student", help="Folder of the student's encoder."),
    teacher: Path = typer.Option(_WORK / "teacher" / "encoder", "--teacher", help="Folder of the teacher's encoder."),
    baseline: Path | None = typer.Option(
        None, "--baseline", help="Folder of the encoder to beat; the pretrained all-MiniLM-L6-v2 without it."
    ),
    gates: Path | None = typer.Option(None, "--gates", help="File of gates; distill/gates.toml without it."),
    out: Path = typer.Option(Path("models"), "--out", help="Folder that holds releases."),
    half: bool = typer.Option(False, "--fp16", help="Add a float16 graph, which GPUs run instead of the int8 one."),
    force: bool = typer.Option(False, "--force", help="Replace a release of that name."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest as JSON."),
) -> None:
    """Quantize a student, measure it on the golden test split, and release it if it passes every gate.

    Example: `kith distill release --release student-v1 --out models --force`
    """
    with _training_installed():
        from distill.gates import GATES
        from distill.release import ReleasePlan, release_student
    plan = ReleasePlan(
        release,
        out,
        student,
        teacher,
        command=f"make student RELEASE={release}",
        baseline=baseline,
        gates=GATES if gates is None else gates,
        half=half,
        replace=force,
    )
    _show(release_student(plan, _say), as_json=as_json)


@app.command("half")
def half(
    model: Path = typer.Option(..., "--model", help="Folder of the release to begin with."),
    release: str = typer.Option(..., "--release", help="Name of the new release, for example student-v1-gpu."),
    out: Path = typer.Option(Path("models"), "--out", help="Folder that holds releases."),
    force: bool = typer.Option(False, "--force", help="Replace a release of that name."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest as JSON."),
) -> None:
    """Add a float16 graph for GPUs to a release that has none, without its encoder: from its int8 weights.

    Measure it with `kith eval --provider cuda` where the GPU is, before it is used.

    Example: `kith distill half --model models/student-v1 --release student-v1-gpu`
    """
    with _training_installed():
        from distill.half_release import HalfPlan, release_half
    _show(release_half(HalfPlan(model, release, out, force), _say), as_json=as_json)


@app.command("golden")
def golden(out: Path = typer.Option(Path(".kith/golden"), "--out", help="Folder for the splits.")) -> None:
    """Write the golden set as BEIR-style folders, one for each split.

    Example: `kith distill golden --out .kith/golden`
    """
    from distill.golden.authored import load_golden
    from distill.golden.compile import SPLITS, compile_golden

    compile_golden(load_golden(), out)
    for split in SPLITS:
        typer.echo(out / split)


@contextmanager
def _training_installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingTool(
            f"{error.name} is not installed.", "Install what training needs: kith[train,eval]."
        ) from error


@contextmanager
def _progress(what: str) -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda progress: _say(f"{what}: {_line(progress)}, {progress.left_s / 60:.1f} min left")
        return
    with Bar(
        TextColumn(what), BarColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn(), console=console
    ) as bar:
        task = bar.add_task(what, said="")

        def report(progress: Progress) -> None:
            bar.update(task, total=progress.steps, completed=progress.step, said=_line(progress))

        yield report


def _line(progress: Progress) -> str:
    losses = ", ".join(f"{name} {loss:.3f}" for name, loss in progress.losses.items())
    return f"step {progress.step} of {progress.steps}, {progress.rate:.2f}/s, {losses}"


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _show(made: Release, *, as_json: bool) -> None:
    if as_json:
        typer.echo(made.manifest.model_dump_json())
        return
    for name, entry in made.manifest.files.items():
        typer.echo(f"{entry.bytes:>12}  {entry.sha256}  {made.folder / name}")
    for name, figure in made.manifest.metrics.items():
        typer.echo(f"{figure:>12}  {name}")
