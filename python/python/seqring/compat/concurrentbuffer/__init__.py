"""The API of the package `concurrentbuffer`, on a pipeline without locks and without polling.

A program changes only its imports:

>>> import numpy
>>> from seqring.compat.concurrentbuffer.commander import Commander
>>> from seqring.compat.concurrentbuffer.iterator import buffer_iterator_factory
>>> from seqring.compat.concurrentbuffer.producer import Producer
>>> class Counting(Commander):
...     def build(self):
...         self.index = 0
...     def create_message(self):
...         self.index += 1
...         return {"index": self.index}
>>> class Filling(Producer):
...     def create_data(self, message):
...         return [numpy.full((2, 3), message["index"])]
>>> with buffer_iterator_factory(
...     cpus=2, buffer_shapes=((2, 3),), commander=Counting(), producer=Filling(), context="fork", deterministic=True
... ) as iterator:
...     print([int(next(iterator)[0].max()) for _ in range(4)])
[1, 2, 3, 4]

Where the original hangs, this raises: the error of a worker, with its traceback; `WorkerDied` when a
worker was killed; `BuildFailed`; `ArrayMismatch` for data that do not fit the buffers;
`BuffersHeldError` when no buffer is freed. Additions are optional: a commander ends the iteration by
`StopIteration`, a producer sets metadata by `set_meta`, `timeout=`.
"""
