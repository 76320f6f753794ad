"""The package as a whole: what it imports, its types, its documentation, its command, its end."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import seqring
import stub_docs
from conftest import segments_of

ROOT = Path(__file__).parents[1]
MODULES = [m.name for m in pkgutil.walk_packages(seqring.__path__, "seqring.") if m.name != "seqring.__main__"]


def run(program, *arguments, code=0):
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout


def test_import_brings_neither_numpy_nor_multiprocessing():
    program = "import seqring, seqring.compat.ringbuffer, sys; print([m for m in sys.modules if m in %r])"
    assert run(program % (["numpy", "multiprocessing", "multiprocessing.resource_tracker"],)) == "[]\n"


@pytest.mark.parametrize("name", ["seqring", *MODULES])
def test_examples_in_the_documentation(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    for test in finder.find(module, name):
        runner.run(test)
    assert runner.summarize().failed == 0


@pytest.mark.parametrize("name", ["Ring", "Writer", "Reader", "Observer", "Taker", "View", "Claim", "Parked", "Words"])
def test_examples_in_the_documentation_of_classes(name):
    kind = getattr(seqring, name)
    test = doctest.DocTestParser().get_doctest(kind.__doc__, {}, name, None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0
    for attribute, value in vars(kind).items():
        if not attribute.startswith("_"):
            assert value.__doc__, f"{name}.{attribute} says nothing of itself"


@pytest.mark.parametrize("name", ["README.md", "MIGRATION.md", "../README.md"])
def test_examples_in_the_guides(name):
    assert doctest.testfile(str(ROOT / name), module_relative=False).failed == 0


def test_stubs_say_what_is_there():
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy.stubtest", "seqring._seqring"]
    command += ["--allowlist", str(ROOT / "tests" / "stubtest.txt"), "--ignore-unused-allowlist"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_stubs_have_the_docstrings_of_the_module():
    text = stub_docs.STUB.read_text()
    assert stub_docs.written(text) == text, "python tests/stub_docs.py copies them into the stub"
    without = [node.name for _, node in stub_docs.documented(ast.parse(text)) if not ast.get_docstring(node)]
    internal = {"PointerBase", "RingBufferBase", "Host", "ItemBuffer"}
    assert not [name for name in without if name[0].isupper() and name not in internal]


@pytest.mark.parametrize("name", seqring.__all__)
def test_every_public_object_has_a_docstring(name):
    thing = getattr(seqring, name)
    if name == "__version__":
        return
    assert inspect.getdoc(thing), name
    if not inspect.isclass(thing):
        return
    for attribute, value in vars(thing).items():
        has_text = callable(value) or isinstance(value, (property, classmethod, staticmethod))
        if has_text and not attribute.startswith("_"):
            assert inspect.getdoc(value), f"{name}.{attribute}"
    if thing.__module__ not in ("seqring", "seqring.errors"):
        assert thing.__init__.__doc__ != object.__init__.__doc__ or dataclasses.is_dataclass(thing), name


def test_types_are_strict():
    pytest.importorskip("mypy")
    done = subprocess.run([sys.executable, "-m", "mypy"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_the_command_measures_by_processes_of_this_interpreter():
    command = [sys.executable, "-m", "seqring", "perf", "--readers", "2", "--duration", "0.5", "--json"]
    command += ["--slots", "10", "--slot-bytes", "1000", "--writes-per-second", "200"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True


def test_the_command_looks_at_rings_of_python():
    with seqring.Ring.create(2, 64) as ring, ring.reader():
        command = [sys.executable, "-m", "seqring", "stat", ring.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert str(os.getpid()) in done.stdout
    done = subprocess.run([sys.executable, "-m", "seqring", "perf", "--no-such-flag"], capture_output=True)
    assert done.returncode == 2


def test_what_cannot_be_closed_at_the_end_keeps_nothing_else_open():
    """Fails if an error in one `close` prevents the others."""
    program = """
from seqring import _lifetime
class Thing:
    def close(self):
        print("closed")
        raise OSError("no")
    def _forget(self):
        pass
things = [Thing(), Thing(), Thing()]
for thing in things:
    _lifetime.register(thing)
try:
    _lifetime._close_all()
except OSError as error:
    print(error)
del thing, things
"""
    assert run(program).split() == ["closed"] * 3 + ["no"]


ENDS = """
import gc, os, sys
import numpy, seqring
ring = seqring.Ring.create(2, 4096)
reader, writer = ring.reader(), ring.writer()
writer.write(b"message")
view = reader.view()
array = numpy.asarray(view)
claim = writer.claim(8)
memory = memoryview(claim)
words = ring.words
steps = {
    "reader": lambda: reader.close(),
    "writer": lambda: writer.close(),
    "ring": lambda: ring.close(),
    "view": lambda: view.release(),
    "unlink": lambda: seqring.Ring.unlink(ring.name),
    "drop": lambda: [globals().pop(name, None) for name in ("reader", "writer", "view", "claim")],
    "collect": lambda: gc.collect(),
    "array": lambda: globals().pop("array"),
}
for step in sys.argv[1:]:
    steps[step]()
if "array" in globals():
    assert array.tobytes() == b"message"
memory[:] = b"harmless"
print(os.getpid())
"""

ORDERS = [
    [],
    ["reader", "writer", "ring"],
    ["ring", "writer", "reader"],
    ["ring", "drop", "collect"],
    ["drop", "collect", "ring"],
    ["view", "reader", "ring", "writer", "drop", "collect"],
    ["unlink", "drop", "ring"],
    ["array", "view", "reader", "writer", "ring"],
    ["reader", "array", "drop", "collect"],
    ["writer", "drop", "unlink", "collect", "ring"],
]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_every_order_of_ends_is_a_clean_end(order):
    pid = run(ENDS, *order).strip()
    assert segments_of(pid) == []


@pytest.mark.parametrize("how", ["sys.exit(3)", "os._exit(3)", "raise SystemExit(3)"])
def test_a_process_that_ends_in_the_middle_leaves_its_rings_to_the_others(how):
    program = f"""
import os, seqring, sys
ring = seqring.Ring.open(sys.argv[1])
writer = ring.writer()
writer.write(b"last words")
{how}
"""
    with seqring.Ring.create(2, 64) as ring, ring.reader() as reader:
        run(program, ring.name, code=3)
        assert reader.read(timeout=60) == b"last words"
        with pytest.raises(seqring.Error) as ended:
            reader.read(timeout=60)
        assert not isinstance(ended.value, seqring.TimedOut)


def test_a_thousand_rings_leave_nothing():
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        ring = seqring.Ring.create(2, 64)
        reader, writer = ring.reader(), ring.writer()
        writer.write(b"x")
        reader.read()
    del ring, reader, writer
    assert len(os.listdir("/proc/self/fd")) == descriptors
