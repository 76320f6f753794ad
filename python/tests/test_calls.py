"""Questions and answers, and what either side learns of the death of the other."""

import threading

import pytest

import seqring
from process_targets import serve_squares, take_question


def ring(callers=2, **options):
    return seqring.Ring.create(callers, 16, delivery="call", **options)


def test_answers_come_from_another_process(context):
    with ring() as calls, calls.caller() as caller:
        server = context.Process(target=serve_squares, args=(calls,))
        server.start()
        for number in (3, 12):
            answer = caller.call(number.to_bytes(8, "little"), timeout=60)
            assert int.from_bytes(answer, "little") == number**2
        calls.shutdown()
        server.join()
        assert server.exitcode == 0
        with pytest.raises(seqring.Closed):
            caller.ask(b"after the end")


def test_the_death_of_a_server_is_reported_with_its_process(context):
    with ring() as calls, calls.caller() as taken, calls.caller() as waiting:
        taken.ask(b"taken")
        ready = context.Event()
        server = context.Process(target=take_question, args=(calls, ready))
        server.start()
        assert ready.wait(60)
        waiting.ask(b"waiting")
        with pytest.raises(seqring.TimedOut) as late:
            taken.answer(timeout=0.01)
        assert (late.value.role, late.value.pid) == ("server", server.pid)
        server.kill()
        server.join()
        with pytest.raises(seqring.Unanswered) as died:
            taken.answer(timeout=60)
        assert died.value.pid == server.pid
        with pytest.raises(seqring.NoServer) as gone:
            waiting.answer(timeout=60)
        assert gone.value.pid == server.pid
        with calls.server() as heir:
            assert heir.try_take() == b"waiting"
            heir.answer(b"by the heir")
        assert waiting.answer() == b"by the heir"


def test_a_question_that_is_not_answered_is_refused():
    with ring() as calls, calls.server() as server, calls.caller() as caller:
        caller.ask(b"first")
        assert server.take() == b"first"
        assert server.try_take() is None
        with pytest.raises(seqring.Unanswered) as refused:
            caller.answer()
        assert refused.value.pid is None
        with pytest.raises(ValueError):
            server.answer(b"to no question")
        with pytest.raises(ValueError):
            caller.answer()


def test_timeouts_name_the_server_and_keep_the_question():
    with ring() as calls, calls.caller() as caller:
        with pytest.raises(seqring.TimedOut, match="no answer within the timeout; no server has joined yet"):
            caller.call(b"question", timeout=0)
    with ring() as calls, calls.server() as server, calls.caller() as caller:
        with pytest.raises(seqring.TimedOut) as late:
            caller.call(b"question", timeout=0)
        assert late.value.role == "server"
        assert caller.try_answer() is None
        assert server.take() == b"question"
        server.answer(b"answer")
        assert caller.answer() == b"answer"
        with pytest.raises(seqring.TimedOut):
            server.take(timeout=0)
        with pytest.raises(seqring.TooLarge):
            caller.ask(bytes(25))
        roles = [one.role for one in calls.stats().participants]
        assert sorted(roles) == ["caller", "server"]


def test_no_thread_gets_the_answer_to_the_question_of_another_one():
    with ring() as calls, calls.server() as server, calls.caller() as caller:
        outcome = []

        def call():
            try:
                caller.call(b"first", timeout=60)
            except seqring.Unanswered as error:
                outcome.append(error.pid)

        first = threading.Thread(target=call)
        first.start()
        assert server.take(timeout=60) == b"first"
        caller.ask(b"second")
        assert server.take(timeout=60) == b"second"
        server.answer(b"to the second")
        first.join()
        assert outcome == [None]
        assert caller.answer() == b"to the second"


def test_a_server_iterates_until_the_end():
    with ring() as calls, calls.caller() as caller:

        def serve():
            with calls.server() as server:
                for question in server:
                    server.answer(question[::-1])

        serving = threading.Thread(target=serve)
        serving.start()
        assert caller.call(b"abc", timeout=60) == b"cba"
        calls.shutdown()
        serving.join()


def test_options_of_a_stream_are_refused():
    for options in ({"writers": "many"}, {"tag": True}, {"participants": 7}):
        with pytest.raises(ValueError):
            ring(**options)
    with pytest.raises(TypeError, match="readers"):
        ring(readers=3)


def test_the_roles_of_a_stream_are_refused():
    with ring() as calls:
        for register in (calls.reader, calls.writer, calls.taker):
            with pytest.raises(seqring.RegisterError):
                register()
    with seqring.Ring.create(2, 16) as stream:
        for register in (stream.server, stream.caller):
            with pytest.raises(seqring.RegisterError):
                register()
