cimport cython

from longwire.websocket.connection cimport WebSocketEngine


cdef class InputBacklog:
    cdef object _endpoint
    cdef list _events
    cdef bint _is_feeding
    cdef bint _is_turn_queued
    cdef bytes _unfed

    cpdef bint is_empty(self) except -1

    cpdef bint holds_events(self) except -1

    cpdef add(self, object data)

    cpdef put_off(self, list events)

    cpdef queue_turn(self)

    cpdef resume(self)

    cpdef give_some(self)

    cdef _give_events(self, list events)

    cdef _read_on(self)

    @cython.locals(engine=WebSocketEngine, step=bytes)
    cdef _feed(self)
