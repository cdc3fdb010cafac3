cimport cython

from longwire.base.tuples cimport make, parts
from longwire.hub.payloads cimport check_batch
from longwire.streams.name cimport check_stream_name


cdef class Publisher:
    cdef readonly object user_rates
    cdef readonly object stream_rates
    cdef object _store
    cdef object _policy
    cdef object _limits
    cdef object _counters
    cdef object _settings_for
    cdef object _on_stored
    cdef bint _has_rates
    cdef dict _queues
    cdef set _tasks

    cpdef submit(self, publish, done)

    cdef _check(self, publish)

    cdef _check_entries(self, publish)

    cdef _finish(self, done, outcome)

    @cython.locals(published="long long", published_entries="long long", has_begun=bint)
    cdef bint _count(self, outcomes) except -1

    cdef _answer(self, done, outcome)
