import ctypes
import subprocess
import sys
from textwrap import dedent

import pytest

from kith.commands.index import run_indexer
from kith.commands.serve import run_query_consumer
from kith.settings import Settings
from workers.cores import available_cores

# Twelve threads at once, each with an allocation; prints how many heaps they were given.
HEAPS_OF_THREADS = dedent("""
    import ctypes, sys, threading
    from kith.heaps import bound_heaps

    if sys.argv[2] != "unbounded":
        bound_heaps(int(sys.argv[2]))
    libc, together = ctypes.CDLL(None), threading.Barrier(12)
    libc.malloc.restype = ctypes.c_void_p

    def allocate():
        together.wait()
        libc.malloc(100_000)
        together.wait()

    threads = [threading.Thread(target=allocate) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    libc.fopen.restype, libc.fclose.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
    file = libc.fopen(sys.argv[1].encode(), b"w")
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(open(sys.argv[1]).read().count("<heap "))
""")


def heaps(tmp_path, bound):
    arguments = [sys.executable, "-c", HEAPS_OF_THREADS, str(tmp_path / "heaps.xml"), bound]
    return int(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no such bound")
def test_threads_share_as_many_heaps_as_they_are_given(tmp_path):
    assert heaps(tmp_path, "unbounded") > 3
    assert heaps(tmp_path, "3") <= 3


# Half a million things that stay; then cycles that do not. Prints how many objects the last search of all went
# through, and how many of the cycles are left.
AFTER_A_START = dedent("""
    import gc, weakref
    from kith.heaps import search_less

    class Node:
        pass

    stays = [[number] for number in range(500_000)]
    search_less()
    alive = weakref.WeakSet()
    for number in range(60_000):
        node = Node()
        node.itself = node
        if number % 1000 == 0:
            alive.add(node)
    print(len(gc.get_objects()), len(alive))
""")


def test_what_is_there_at_the_start_is_never_searched_again_and_cycles_are_still_found():
    told = subprocess.run([sys.executable, "-c", AFTER_A_START], check=True, capture_output=True, text=True).stdout
    searched, alive = map(int, told.split())

    assert searched < 200_000, "the half million things that stay are among what a search goes through"
    assert alive < 20, "of 60 cycles that nobody holds"


class Bounded(Exception):
    """The heaps are bounded."""


@pytest.mark.parametrize("start", [run_indexer, run_query_consumer])
def test_an_indexer_and_a_query_consumer_bound_their_heaps_before_they_fill_them(start, monkeypatch):
    def bound(count):
        raise Bounded(count)

    monkeypatch.setattr("kith.heaps.bound_heaps", bound)
    with pytest.raises(Bounded, match=str(available_cores())):
        start(Settings(_env_file=None))
