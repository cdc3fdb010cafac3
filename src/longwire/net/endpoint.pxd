cimport cython

from longwire.net.reactor_link cimport ReactorLink
from longwire.websocket.connection cimport WebSocketEngine


cdef object _OPEN, _NO_ACTION
cdef Py_ssize_t _COUNTED_BYTES_MIN


cdef class Endpoint:
    cdef readonly WebSocketEngine engine
    cdef public object opening
    cdef public object user_data
    cdef public long long messages_discarded
    cdef object __weakref__
    cdef object _callbacks
    cdef object _closed
    cdef object _evidence
    cdef object _in_flight
    cdef bint _is_feeding
    cdef bint _is_in_burst
    cdef bint _is_paused
    cdef bint _is_turn_queued
    cdef object _link
    cdef object _link_end
    cdef object _link_error
    cdef object _opened_s
    cdef bytes _unfed
    cdef list _put_off
    cdef long long _taken_bytes

    @cython.locals(direct=ReactorLink)
    cpdef Py_ssize_t send_shared(self, bytes frames, long long messages, object now) except -1

    cdef _take_in(self, object data, object now)

    cpdef count_in_flight(self)

    @cython.locals(share=Py_ssize_t)
    cdef _handle(self, list events, object now)

    cdef _dispatch(self, list events)

    cdef _dispatch_remaining(self, object events)

    @cython.locals(output=list, engine=WebSocketEngine)
    cdef _after_engine(self, object now)

    cpdef send_one(self, object message, object text)

    @cython.locals(direct=ReactorLink)
    cpdef Py_ssize_t held(self) except -1

    @cython.locals(direct=ReactorLink)
    cdef _write_out(self)

    @cython.locals(output=list)
    cpdef hand_over(self)

    @cython.locals(direct=ReactorLink)
    cdef _write_all(self, list output)

    @cython.locals(direct=ReactorLink)
    cdef object _now(self)

    @cython.locals(direct=ReactorLink)
    cdef _set_deadline(self, object when)

    cdef _check_open(self)
