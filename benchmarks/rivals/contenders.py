"""Who does the same job: names, programs, and how a rival's process is started."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installation import MODELS, ROOT
from benchmarks.rivals.parts import OURS, PLAIN
from kith import wiring
from kith.settings import Settings

RIVALS_PYTHON = ROOT / ".rivals" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Contender:
    """A rival.

    Attributes:
        module: of `benchmarks.rivals`.
        embedder: `plain`, a session as it comes, or `kith`, ours.
        own_environment: it runs with `requirements/rivals.txt`.
    """

    name: str
    module: str
    embedder: str = PLAIN
    own_environment: bool = False

    def start(self, settings: Settings, collection: str, folder: Path) -> subprocess.Popen[bytes]:
        """A process that works off the change topic from its beginning, in a group of its own.

        Args:
            folder: for its log (`<module>.log`) and what it keeps aside (`<module>.dead`).
        """
        topic = wiring.topics(settings).changes.name
        python = RIVALS_PYTHON if self.own_environment else Path(sys.executable)
        arguments = {
            "bootstrap": settings.kafka_bootstrap,
            "registry": settings.schema_registry_url,
            "milvus": settings.milvus_uri,
            "topic": topic,
            "group": f"{topic}.{self.module}.{self.embedder}",
            "collection": collection,
            "model": str(MODELS / settings.model_dir.name),
            "embedder": self.embedder,
            "dead-letters": str(folder / f"{self.module}.dead"),
        }
        line = [word for name, value in arguments.items() for word in (f"--{name}", value)]
        with (folder / f"{self.module}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the arguments are ours
                [str(python), "-m", f"benchmarks.rivals.{self.module}", *line], stdout=log, stderr=log, cwd=ROOT
            )


AFTERNOON = Contender("afternoon", "afternoon")
FASTER_AFTERNOON = Contender("afternoon, our embedder", "afternoon", OURS)
FRAMEWORKS = (
    Contender("Quix Streams", "quix", own_environment=True),
    Contender("Bytewax", "bytewax_flow", own_environment=True),
    Contender("Pathway", "pathway_flow", own_environment=True),
)


def group(contender: Contender, settings: Settings) -> str:
    """Consumer group of a contender."""
    return f"{wiring.topics(settings).changes.name}.{contender.module}.{contender.embedder}"
