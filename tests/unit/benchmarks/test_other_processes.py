import subprocess
import sys

from benchmarks.other_processes import Others, ours_s

BUSY = "import time\nwhile time.process_time() < 0.5: pass"


def test_what_a_process_of_ours_took_stays_ours_once_it_has_ended():
    before, others = ours_s(), Others()
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    # Counted in hundredths.
    assert ours_s() - before > 0.45
    assert others.cores() >= 0
