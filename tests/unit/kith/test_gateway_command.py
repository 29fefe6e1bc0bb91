import subprocess
import sys

from tests.kith_process import ROOT

WITHOUT = "import sys; sys.modules['uvicorn'] = None; sys.argv = ['kith', 'gateway']; from kith.cli import main; main()"


def test_libraries_that_are_missing_are_one_line_and_exit_code_2():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == "kith: The gateway needs uvicorn, which is not installed. Install kith[gateway].\n"
    assert done.returncode == 2
