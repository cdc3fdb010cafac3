cimport cython

from longwire.websocket.connection cimport WebSocketEngine


cdef class InputBacklog:
    cdef object _endpoint
    cdef list _events
    cdef Py_ssize_t _events_bytes
    cdef bint _is_feeding
    cdef bint _is_giving
    cdef bint _is_turn_queued
    cdef bytes _unfed

    cpdef Py_ssize_t held_bytes(self) except -1

    @cython.locals(size=Py_ssize_t)
    cdef count_events(self)

    cdef bint is_empty(self) except -1

    cdef bint holds_events(self) except -1

    cdef add(self, object data)

    cdef put_off(self, list events)

    cdef queue_turn(self)

    cdef resume(self)

    cdef bint can_give(self) except -1

    cdef give_some(self)

    cdef _give_events(self, list events)

    cdef _read_on(self)

    @cython.locals(engine=WebSocketEngine, step=bytes)
    cdef _feed(self)
