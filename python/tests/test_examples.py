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


RECIPES = {
    "viewer_first": "the viewer saw every frame, the brightest 99.0\n",
    "work_queue": "100 tasks were done, worker 0 ended with -9\n",
    "latest_value": r"the last position is \[9999.0, 19998.0, 29997.0\], of \d+ that were read\n",
    "two_rings": "{'fast': 1000, 'slow': 10}\n",
    "request_response": "3 squared is 9\n12 squared is 144\n",
    "restart": r"(the writer was killed after number \d+\nall 1000 numbers, each once, in order\n){2}left behind: \[\]\n",
    "many_writers": r"300 frames, \[100, 100, 100\] of each source\n",
    "tracing": (
        r"INFO a writer joined in process (\d+)\nINFO a reader joined in process (\d+)\n"
        r"WARNING the reader of process \2 was killed, 0 messages behind\n"
        r"INFO a reader joined in process \1\nWARNING the reader of process \1 lost \d+ messages\n"
        r"INFO the reader of process \2 left\nINFO the reader of process \1 left\n"
    ),
    "frames": r"(reader \d: 200 frames, the brightest 199.0\s*){2}",
    "video": r"(?s).*recorder: 120 frames, 746 MB, none lost\n.*",
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_does_what_it_says(name):
    assert re.fullmatch(RECIPES[name], run(f"{name}.py"))
