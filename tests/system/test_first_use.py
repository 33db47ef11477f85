"""Children that are forked while another thread makes the first use of something: none of them hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings

import pytest

from fastminima.system import first_use

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

# A thread makes the first use while this one forks in a loop; every child makes the same use, or is ended by its alarm.
FORKING = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, from Python 3.12 on
import fastminima as fm
from fastminima.system.packages import import_optional

def use():
    {use}

thread = threading.Thread(target=use)
thread.start()
children = []
while len(children) < 2 or (thread.is_alive() and len(children) < 15):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        code = 1
        try:
            use()
            code = 0
        finally:
            os._exit(code)
    children.append(child)
    time.sleep(0.01)
thread.join()
ends = [os.waitpid(child, 0)[1] for child in children]
sys.exit(f"{{len(children)}} children ended with {{ends}}" if any(ends) else 0)
"""
USES = {
    "spurious_minimum": "assert fm.spurious_minimum(([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0]), width=2).network.width == 2",
    "pandas": "import_optional('pandas', extra=None, purpose='reading')",
}


@pytest.mark.parametrize("use", USES)
def test_no_child_of_a_fork_during_the_first_use_hangs(use):
    run = subprocess.run(
        [sys.executable, "-c", FORKING.format(use=USES[use])], capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stderr) == (0, "")


class Slow:
    """A value that takes as long as a test says."""

    def __init__(self, started: threading.Event, go_on: threading.Event) -> None:
        self.started, self.go_on = started, go_on

    @first_use.cached_property
    def value(self) -> list[int]:
        """What is computed."""
        self.started.set()
        assert self.go_on.wait(20)
        return [1]


def ended(child: int, seconds: float) -> int | None:
    """The status of a child, or None where it has not ended in time; it has then been killed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


def forked(code) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, from Python 3.12 on
        child = os.fork()
    if child == 0:
        try:
            os._exit(code())
        finally:
            os._exit(99)
    return child


def test_a_value_under_way_in_a_thread_is_computed_anew_in_the_child():
    slow, go_on = Slow(threading.Event(), threading.Event()), threading.Event()
    slow.go_on = go_on
    thread = threading.Thread(target=lambda: slow.value)
    thread.start()
    assert slow.started.wait(20)
    quick = threading.Event()
    quick.set()

    def child() -> int:
        return 0 if Slow(threading.Event(), quick).value == [1] else 1

    try:
        assert ended(forked(child), 10) == 0
    finally:
        go_on.set()
        thread.join()


def test_threads_that_ask_at_once_get_one_value():
    slow, found = Slow(threading.Event(), threading.Event()), []
    threads = [threading.Thread(target=lambda: found.append(slow.value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert slow.started.wait(20)
    slow.go_on.set()
    for thread in threads:
        thread.join()
    assert found == [[1]] * 4
    assert all(value is slow.value for value in found)
    assert Slow.value.__doc__ == "What is computed."


def test_a_fork_waits_for_a_first_use_and_the_child_may_make_its_own():
    inside, leave = threading.Event(), threading.Event()

    def use() -> None:
        with first_use.first_use():
            inside.set()
            leave.wait(20)
            time.sleep(0.05)
            left.append(time.monotonic())

    def child() -> int:
        with first_use.first_use():
            return 0 if left else 1

    left: list[float] = []
    thread = threading.Thread(target=use)
    thread.start()
    assert inside.wait(20)
    leave.set()
    assert ended(forked(child), 10) == 0
    thread.join()


def test_a_fork_inside_a_first_use_of_its_own_thread():
    def child() -> int:
        with first_use.first_use():
            return 0

    with first_use.first_use():
        status = ended(forked(child), 10)
    assert status == 0
    assert ended(forked(child), 10) == 0


def test_a_fork_that_loses_patience_goes_on(monkeypatch):
    monkeypatch.setattr(first_use, "PATIENCE", 0.05)
    inside, leave = threading.Event(), threading.Event()

    def use() -> None:
        with first_use.first_use():
            inside.set()
            leave.wait(20)

    def child() -> int:
        with first_use.first_use():
            return 0

    thread = threading.Thread(target=use)
    thread.start()
    assert inside.wait(20)
    try:
        assert ended(forked(child), 10) == 0
    finally:
        leave.set()
        thread.join()
    with first_use.first_use():
        pass
