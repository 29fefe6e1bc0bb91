"""`kith index` with a simulated embedder; takes its settings from the environment, as that does.

Example: `python -m benchmarks.scale_worker index --health-port 9464`
"""

from __future__ import annotations

import argparse

from benchmarks.simulated_embedder import SimulatedEmbedder
from kith import wiring
from kith.commands.index import run_indexer
from kith.settings import load_settings

# So long that four workers leave two cores idle for most of the time, with all that runs beside them.
MS_PER_TEXT = 25.0


def main() -> None:
    """Consume until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["index"])
    parser.add_argument("--health-port", type=int, required=True)
    settings = load_settings(health_port=parser.parse_args().health_port)
    run_indexer(settings, embedder=SimulatedEmbedder(wiring.release(settings).manifest.dim, MS_PER_TEXT))


if __name__ == "__main__":
    main()
