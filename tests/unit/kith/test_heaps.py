import ctypes
import subprocess
import sys
from textwrap import dedent

import pytest

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
