import json
from pathlib import Path

from tests.kith_process import children_of, run


def test_the_demo_keeps_its_promises_and_leaves_nothing_running(home):
    done = run(home, "demo", "--profiles", "1500", "--changes", "80", "--json", timeout_s=170)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["missing"] == 0
    assert (outcome["freshness"]["count"], outcome["freshness"]["unseen"]) == (80, 0)
    answered = sum(answer["rank"] is not None and answer["rank"] <= 3 for answer in outcome["answers"])
    by_keywords = sum(answer["keyword_rank"] is not None for answer in outcome["answers"])
    assert answered >= 3 / 4 * len(outcome["answers"])
    assert by_keywords <= 3 / 8 * len(outcome["answers"])
    assert "stopped: query, indexer, milvus, registry, kafka" in done.stderr
    assert children_of(Path(home["KITH_STATE_DIR"])) == []
