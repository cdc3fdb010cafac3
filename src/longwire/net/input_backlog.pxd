cimport cython

from longwire.websocket.connection cimport WebSocketEngine


cdef class InputBacklog:
    cdef object _endpoint
    cdef list _events
    cdef bint _is_feeding
    cdef bint _is_turn_queued
    cdef bytes _unfed

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
