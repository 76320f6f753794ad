"""Each example runs to its end and prints the expected text."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments):
    command = [sys.executable, EXAMPLES / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pictures_are_augmented_in_order():
    assert "200 pictures in order" in run("augment.py")


@pytest.mark.parametrize("arguments", [["fork"], ["spawn"], ["fork", "--unordered"], ["spawn", "--unordered"]])
def test_a_program_for_concurrentbuffer_runs_with_its_imports_changed(arguments):
    said = run("segmentation.py", *arguments)
    # Unordered: which 20 batches come first varies.
    covered = r"\d+" if "--unordered" in arguments else "8"
    assert re.fullmatch(rf"20 batches of 12 pictures, discs on {covered}% of them\n", said)


def test_tiles_are_decoded_and_put_together():
    assert run("tiles.py") == "64 tiles, mean 0.0000, standard deviation 1.0000\n"
