import threading
from pathlib import Path

from kith.services.state_files import only_one, write_whole


def test_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "run" / "part.json"
    write_whole(path, "old")
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_second_holder_says_that_it_waits_and_enters_after_the_first(tmp_path: Path):
    waits, entered = threading.Event(), threading.Event()

    def second() -> None:
        with only_one(tmp_path / "lock", waits.set):
            entered.set()

    thread = threading.Thread(target=second)
    with only_one(tmp_path / "lock", lambda: None):
        thread.start()
        assert waits.wait(10)
        assert not entered.is_set()
    assert entered.wait(10)
    thread.join(10)
