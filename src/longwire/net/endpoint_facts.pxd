from longwire.net.direct_link cimport link_held_bytes
from longwire.websocket.connection cimport WebSocketEngine


cdef object _OPEN


cdef class EndpointFacts:
    cdef readonly WebSocketEngine engine
    cdef readonly bint is_reading_paused
    cdef readonly object opened_s
    cdef public object opening
    cdef public object user_data
    cdef public long long messages_discarded
    cdef object __weakref__
    cdef object _callbacks
    cdef object _closed
    cdef object _departure
    cdef object _link

    cpdef Py_ssize_t held(self) except -1

    cdef _depart(self)

    cdef _check_open(self)
