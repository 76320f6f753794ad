"""Tables: the latest value of each key."""

import asyncio
import time

import process_targets
import pytest
import seqring


def table(keys=3, size=16, **options):
    return seqring.Ring.create(keys, size, delivery="latest", **options)


def test_a_key_has_its_latest_value_with_version_age_and_writer():
    before = time.monotonic_ns()
    with table() as ring, ring.table_reader() as reader:
        assert (reader.get(0), reader.changed(), reader.stream) == (None, [], "fresh")
        with ring.table_writer() as writer:
            assert [writer.set(1, bytes([n])) for n in range(3)] == [1, 2, 3]
            writer.set(2, b"")
            assert reader.changed() == [1, 2]
            latest = reader.get(1)
            assert (latest.data, latest.version, latest.stream) == (bytearray([2]), 3, "open")
            assert before <= latest.timestamp_ns <= time.monotonic_ns()
            assert 0 <= latest.age < 60
            assert (reader.get(2).data, reader.changed(), reader.stream) == (b"", [], "open")
            assert not reader.wait(0)
        assert reader.wait(60) and reader.stream == "ended"
        assert reader.get(1).stream == "ended"
        with ring.table_writer() as writer:
            assert writer.set(1, b"later") == 4
    with table(timestamps=False) as ring, ring.table_writer() as writer, ring.table_reader() as reader:
        writer.set(0, b"x")
        assert (reader.get(0).timestamp_ns, reader.get(0).age) == (None, None)


def test_bad_arguments_are_refused():
    with table() as ring, ring.table_writer() as writer, ring.table_reader() as reader:
        for call in (lambda: writer.set(3, b"x"), lambda: reader.get(3)):
            with pytest.raises(IndexError, match="no key 3: the table has the keys 0 to 2"):
                call()
        with pytest.raises(ValueError, match="key"):
            reader.get(-1)
        with pytest.raises(seqring.TooLarge):
            writer.set(0, b"x" * 17)
        with pytest.raises(TypeError):
            writer.set(0, "text")
        with pytest.raises(seqring.WriterTaken):
            ring.table_writer()
        for call in (ring.writer, ring.reader, ring.taker):
            with pytest.raises(seqring.RegisterError, match="Latest"):
                call()
        writer.set(0, b"kept")
        ring.shutdown()
        with pytest.raises(seqring.Closed):
            writer.set(0, b"x")
        assert (reader.get(0).data, reader.stream) == (b"kept", "closed")
        writer.close()
        assert writer.closed
        with pytest.raises(ValueError, match="closed"):
            writer.set(0, b"x")
        reader.close()
        with pytest.raises(ValueError, match="closed"):
            reader.get(0)
    with seqring.Ring.create(2, 8) as ring:
        for call in (ring.table_writer, ring.table_reader):
            with pytest.raises(seqring.RegisterError):
                call()
    with pytest.raises(ValueError, match="options"):
        table(tag=True)


def test_a_change_ends_a_wait():
    async def main(reader, writer):
        loop, changes = asyncio.get_running_loop(), []
        changed = asyncio.Event()
        loop.add_reader(reader.fileno(), changed.set)
        for n in range(20):
            while not (keys := reader.changed()):
                changed.clear()
                await asyncio.wait_for(changed.wait(), 60)
            changes += [bytes(reader.get(key).data) for key in keys]
            writer.set(n % 3, bytes([n]))
        loop.remove_reader(reader.fileno())
        return changes

    with table() as ring, ring.table_writer() as writer, ring.table_reader() as reader:
        writer.set(0, b"first")
        assert seqring.wait([reader], 60) == [reader]
        assert asyncio.run(main(reader, writer)) == [b"first", *(bytes([n]) for n in range(19))]
        reader.get(1)
        assert seqring.wait([reader], 0) == []


def test_a_killed_writer_leaves_its_values(context):
    with table() as ring, ring.table_reader() as reader:
        ready = context.Event()
        process = context.Process(target=process_targets.hang_with, args=(ring.table_writer, ready))
        process.start()
        ready.wait()
        assert reader.stream == "open"
        process.kill()
        process.join()
        while reader.stream != "died":
            assert reader.wait(60)
        with ring.table_writer() as writer:
            writer.set(0, b"of a successor")
        assert reader.get(0).data == b"of a successor"
