"""Texts embedded a second on this machine: how our runs are packed, and our int8 models against the pretrained encoder.

Every figure includes the tokenizer, and every case keeps to the cores that it is given. Whoever is compared is tuned
first: it runs at each of its sizes, and its best one counts. The share is of what the same cores reach in int8
products. On a GPU (`--provider cuda`) a release with a float16 graph is measured against the GPU's own float16 product.

Example: `python -m benchmarks.embed` or `python -m benchmarks.embed --provider cuda --model models/mine`
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.embed_operators import TOKENS, shares_by_operator
from benchmarks.embed_packing import packing_cases
from benchmarks.embed_texts import count_tokens, profiles, profiles_of_length
from benchmarks.environment import describe
from benchmarks.int8 import PRODUCT, Work, instructions, peak, peak_case
from benchmarks.record import keep
from benchmarks.timing import Case, Taken, measure
from kith.errors import KithError
from workers.providers import CPU, PROVIDERS
from workers.release import Release, load_release

if TYPE_CHECKING:
    from benchmarks.embed_peers import Contender

MODELS = Path(__file__).resolve().parent.parent / "models"
SHORTEST, LONGEST = 100, 140
TUNING_ROUNDS = 2
TEXTS, GPU_TEXTS = 64, 8192


@dataclass(frozen=True, slots=True)
class Row:
    """A case that was measured; `share`: of the peak of its cores."""

    name: str
    cores: int
    texts_per_s: float
    spread: str
    texts_per_cpu_s: float
    tokens_per_s: float
    share: float


def main() -> None:
    """Measure, print, keep."""
    options = _options()
    try:
        release = load_release(options.model)
        if options.provider == CPU:
            _on_cpu(release, options)
        else:
            _on_gpu(release, options)
    except KithError as error:
        raise SystemExit(str(error)) from error


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODELS / "student-v1", help="folder of the release")
    parser.add_argument("--provider", choices=PROVIDERS, default=CPU)
    parser.add_argument("--texts", type=int, help=f"texts of the comparison; {TEXTS}, on a GPU {GPU_TEXTS}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("packing", "peers", "operators"), help="one part of it, and nothing kept")
    return parser.parse_args()


def _on_cpu(release: Release, options: argparse.Namespace) -> None:
    from benchmarks.embed_peers import FASTEMBED  # needs torch, which a GPU here does not

    distributions = _installed("onnxruntime", "tokenizers", "torch", "sentence-transformers", FASTEMBED)
    cores = tuple(dict.fromkeys((1, min(2, psutil.cpu_count() or 1))))
    print(describe(*distributions), flush=True)
    print(f"int8:     {' '.join(instructions())}")
    print(f"rounds:   {options.rounds} in turn, median", flush=True)
    figures: dict[str, Any] = {}
    if options.only in (None, "packing"):
        figures["packing"] = _packing(release, cores, options.rounds)
    if options.only in (None, "operators"):
        figures["share of the model's time by operator"] = _operators(release)
    if options.only in (None, "peers"):
        figures["comparison"] = _peers(release, cores, options)
    if options.only is None:
        rows = figures["comparison"]["rows"]
        print(keep("embed", figures, distributions, lambda axes: _draw(axes, rows)))


def _packing(release: Release, cores: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    cases, peaks = packing_cases(release, cores), [peak_case(count) for count in cores]
    taken = measure([*cases, *peaks], rounds)
    work, reached = Work(release), _peaks(peaks, taken)
    print(f"\n{release.manifest.name}, {work.layers} layers; profiles of every length, mean ", end="")
    print(f"{cases[0].tokens / cases[0].texts:.0f} tokens; questions {cases[-1].tokens / cases[-1].texts:.0f}")
    return _print([_row(case, taken[case.name], work, reached) for case in cases])


def _operators(release: Release) -> dict[str, float]:
    shares = shares_by_operator(release, profiles(64))
    print(f"\nshare of the model's time by operator, 1 core, {TOKENS} tokens a run")
    for operator, share in shares.items():
        print(f"{operator:32} {share:6.1%}")
    return {operator: round(share, 4) for operator, share in shares.items()}


def _peers(release: Release, cores: Sequence[int], options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.embed_peers import FASTEMBED, contenders

    pretrained = load_release(MODELS / "student-v0")
    texts = profiles_of_length(options.texts or TEXTS, SHORTEST, LONGEST, [release, pretrained])
    print(f"\n{len(texts)} profiles of {SHORTEST} to {LONGEST} tokens; every size, {TUNING_ROUNDS} rounds:", flush=True)
    with contenders(release, pretrained) as rivals:
        if not any(FASTEMBED in one.name for one in rivals):
            print(f"{FASTEMBED} is not installed here and is left out")
        best = [(one, _tuned(one, count, texts), count) for count in cores for one in rivals]
        peaks = [peak_case(count) for count in cores]
        taken = measure([*(case for _, case, _ in best), *peaks], options.rounds)
    reached, works = _peaks(peaks, taken), {one.name: Work(one.release) for one in rivals}
    rows = [_row(case, taken[case.name], works[one.name], reached) for one, case, _ in best]
    print()
    kept = _print(rows)
    for count in reached:
        size = " x ".join(map(str, PRODUCT))
        print(f"peak, int8 products of {size} on {count} core{'s'[: count - 1]}: {reached[count] / 1e9:.0f} GOPS")
    return {"rows": kept, "peak_gops": {str(count): round(most / 1e9) for count, most in reached.items()}}


def _tuned(one: Contender, cores: int, texts: Sequence[str]) -> Case:
    """The contender at the size that is quickest on so many cores."""
    tokens = sum(count_tokens(one.release, texts))
    on = f"{cores} core{'s'[: cores - 1]}"
    cases = {
        size: Case(f"{one.name}, {size} {one.unit}, {on}", one.make(size, cores, texts), len(texts), tokens, cores)
        for size in one.sizes
    }
    taken = measure(list(cases.values()), TUNING_ROUNDS)
    rates = {size: taken[case.name].wall_rate(len(texts)) for size, case in cases.items()}
    print(f"{one.name}, {on}: {', '.join(f'{size}: {rate:.1f}' for size, rate in rates.items())} texts/s", flush=True)
    return cases[max(rates, key=rates.__getitem__)]


def _on_gpu(release: Release, options: argparse.Namespace) -> None:
    from benchmarks import embed_gpu as gpu

    distributions, on = _installed("onnxruntime-gpu", "onnxruntime", "tokenizers"), gpu.gpu_name()
    print(f"{describe(*distributions)}\nGPU:      {on}", flush=True)
    texts = profiles(options.texts or GPU_TEXTS)
    given = gpu.GpuTexts(texts, sum(count_tokens(release, texts)))
    wholes = gpu.gpu_cases(release, options.provider, given)
    alone, tokenizer = gpu.model_cases(release, options.provider, given), gpu.tokenizer_case(release, given)
    product = gpu.half_peak_case(options.provider)
    taken = measure([*wholes, *alone, tokenizer, product], options.rounds)
    most, words = gpu.half_peak(taken[product.name]), taken[tokenizer.name].wall_rate(len(texts))
    print(f"model:    {release.manifest.name}; {len(texts)} profiles, mean {given.tokens / len(texts):.0f} tokens")
    kept = _print([_row(case, taken[case.name], Work(release), {0: most}) for case in (*wholes, *alone)])
    print(f"the tokenizer alone: {words:.0f} texts/s")
    print(f"peak, float16 product: {most / 1e12:.1f} TFLOPS")
    figures = {"gpu": on, "rows": kept, "tokenizer_texts_per_s": round(words), "peak_tflops": round(most / 1e12, 1)}
    print(keep(f"embed_{options.provider}", figures, distributions))


def _peaks(cases: Sequence[Case], taken: Mapping[str, Taken]) -> dict[int, float]:
    return {case.cores: peak(taken[case.name], case.cores) for case in cases}


def _row(case: Case, took: Taken, work: Work, peaks: Mapping[int, float]) -> Row:
    return Row(
        name=case.name,
        cores=case.cores,
        texts_per_s=took.wall_rate(case.texts),
        spread=took.spread(case.texts),
        texts_per_cpu_s=took.rate(case.texts),
        tokens_per_s=case.tokens / median(took.wall),
        share=work.operations(case.texts, case.tokens) / median(took.wall) / peaks[case.cores],
    )


def _print(rows: Sequence[Row]) -> list[dict[str, Any]]:
    print(f"{'case':82} {'texts/s':>8} {'(range)':>18} {'texts/cpu-s':>12} {'tokens/s':>9} {'of peak':>8}")
    for row in rows:
        rates = f"{row.texts_per_s:8.1f} {row.spread:>18} {row.texts_per_cpu_s:12.1f} {row.tokens_per_s:9.0f}"
        print(f"{row.name:82} {rates} {row.share:8.0%}", flush=True)
    return [
        {
            "case": row.name,
            "cores": row.cores,
            "texts_per_s": round(row.texts_per_s, 1),
            "texts_per_cpu_s": round(row.texts_per_cpu_s, 1),
            "tokens_per_s": round(row.tokens_per_s),
            "share_of_peak": round(row.share, 3),
        }
        for row in rows
    ]


def _draw(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Bars of texts a second, one a case, the first case on top."""
    places = range(len(rows), 0, -1)
    colours = ["tab:blue" if "int8" in row["case"] else "tab:grey" for row in rows]
    bars = axes.barh(places, [row["texts_per_s"] for row in rows], color=colours)
    axes.bar_label(bars, [f"{row['texts_per_s']:.0f}" for row in rows], padding=3)
    axes.set_yticks(places, [row["case"] for row in rows], fontsize=7)
    axes.margins(x=0.12)
    axes.set_xlabel("texts a second, tokenizer included")
    axes.set_title(f"{SHORTEST} to {LONGEST} tokens, each at its best size")


def _installed(*names: str) -> tuple[str, ...]:
    """Those of the distributions that are there."""
    found = []
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        found.append(name)
    return tuple(found)


if __name__ == "__main__":
    main()
