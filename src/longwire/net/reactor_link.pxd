cimport cython

from longwire.net.socket_calls cimport SocketCalls
from longwire.net.timers cimport WheelEntry


cdef int _IN, _OUT, _BROKEN
cdef Py_ssize_t _READ_BYTES, _SMALL_BYTES
cdef object _GONE


cdef class ReactorLink(WheelEntry):
    cdef readonly int descriptor
    cdef readonly bint is_reading_paused
    cdef object __weakref__
    cdef object _local_address
    cdef object _peer
    cdef object _reactor
    cdef readonly SocketCalls calls
    cdef object _clock
    cdef object _on_lost
    cdef object _handler
    cdef list _pending
    cdef Py_ssize_t _skipped
    cdef object _source
    cdef Py_ssize_t _held
    cdef Py_ssize_t _write_high
    cdef Py_ssize_t _write_low
    cdef int _interest
    cdef bint _is_blocked
    cdef bint _is_corked
    cdef bint _is_in_burst
    cdef bint _is_over_high
    cdef bint _is_closing
    cdef bint _is_ending
    cdef bint _is_eof_wanted
    cdef bint _is_eof_written
    cdef bint _has_eof
    cdef bint _is_lost

    cpdef object now(self)

    cpdef set_deadline(self, object when)

    cpdef handle_events(self, int events)

    @cython.locals(data=bytes)
    cdef _receive(self)

    cdef bytes _take_some(self)

    cdef _deliver(self, bytes data)

    cdef _end_burst(self)

    @cython.locals(buffer=bytes, held=Py_ssize_t)
    cpdef write_all(self, list buffers)

    @cython.locals(count=Py_ssize_t)
    cpdef Py_ssize_t write_alone(self, bytes buffer) except -1

    cpdef bint can_write_alone(self) except -1

    cpdef keep_rest(self, bytes buffer, Py_ssize_t count)

    cpdef flush(self)

    @cython.locals(is_blocked=bint)
    cdef _send_pending(self)

    cdef bint _has_unsent(self)

    @cython.locals(count=Py_ssize_t)
    cdef _send_some(self)

    @cython.locals(whole=Py_ssize_t, buffer=bytes, pending=list)
    cdef _forget_sent(self, Py_ssize_t count)

    cdef _drop_pending(self)

    cdef _watch(self)

    cdef _end_soon(self, object error)

    cpdef now(self)

    cpdef set_deadline(self, object when)
