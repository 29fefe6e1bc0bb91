import subprocess
import sys

from kith.services.state_files import first_free


def name_of_first_free(parent):
    folder, held = first_free(parent)
    held.close()
    return folder.name


def test_each_process_gets_a_folder_of_its_own_and_a_dead_one_leaves_its_to_the_next(tmp_path):
    first, held = first_free(tmp_path)
    second, held_too = first_free(tmp_path)
    assert [first.name, second.name] == ["0", "1"]
    held.close()
    again, held = first_free(tmp_path)
    assert again == first
    held.close()
    held_too.close()


def test_a_killed_process_holds_nothing(tmp_path):
    program = f"""
import sys, time
from pathlib import Path
from kith.services.state_files import first_free
folder, held = first_free(Path({str(tmp_path)!r}))
print(folder.name, flush=True)
time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "0\n"
    assert name_of_first_free(tmp_path) == "1"
    other.kill()
    other.wait(10)
    assert name_of_first_free(tmp_path) == "0"
    other.stdout.close()


def test_the_preferred_folder_is_taken_if_it_is_free(tmp_path):
    folder, held = first_free(tmp_path, 3)
    assert folder.name == "3"
    other, held_too = first_free(tmp_path, 3)
    assert other.name == "0"
    held.close()
    held_too.close()
