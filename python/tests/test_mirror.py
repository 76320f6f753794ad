"""`seqring.mirror`: the arguments of the program, and its process. `crates/mirror` tests the program."""

import signal
import time

import pytest
from seqring import mirror


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program that writes its arguments to the file `arguments`, and then waits for a signal."""
    program = tmp_path / "seqring-mirror"
    written, moved = tmp_path / "written", tmp_path / "arguments"
    text = f'#!/bin/sh\nprintf "%s\\n" "$@" > {written}\nmv {written} {moved}\nexec sleep 600\n'
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def arguments():
        while not (tmp_path / "arguments").exists():
            time.sleep(0.001)
        return (tmp_path / "arguments").read_text().split("\n")[:-1]

    return arguments


def test_serve_passes_its_arguments(program):
    with mirror.serve("a", "b", listen="tcp/127.0.0.1:1", lossless=True, hold=5, ahead=3) as link:
        expected = "serve a b --dead-after 2.0 --hold 5 --ahead 3 --lossless --listen tcp/127.0.0.1:1"
        assert program() == expected.split()
        assert link.running
        with pytest.raises(TimeoutError, match="still runs"):
            link.wait(timeout=0)
    assert not link.running
    assert link.wait() == -signal.SIGTERM


def test_follow_passes_its_arguments(program, tmp_path):
    with mirror.follow("a", connect=["tcp/h:1", "tcp/h:2"], local="b", mirror="m", max_bytes=9) as link:
        assert program() == "mirror a --as b --id m --max-bytes 9 --connect tcp/h:1 --connect tcp/h:2".split()
        assert "running" in repr(link)
    (tmp_path / "arguments").unlink()
    with mirror.follow("a", config=tmp_path / "zenoh.json5"):
        assert program() == ["mirror", "a", "--config", str(tmp_path / "zenoh.json5")]


def test_without_the_program_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="cargo install"):
        mirror.serve("a")
