cimport cython

from longwire.net.endpoint cimport Endpoint
from longwire.net.receive_queue cimport ReceiveQueue
from longwire.net.waiter cimport Waiter


cdef object _OPEN
cdef Py_ssize_t _COUNTED_BYTES_MIN


cdef class Receiver:
    cdef list _assembly
    cdef Endpoint _endpoint
    cdef bint _is_paused
    cdef bint _is_skipping
    cdef object _loop
    cdef object _parts
    cdef ReceiveQueue _queue
    cdef object _task
    cdef Waiter _waiter

    @cython.locals(queue=ReceiveQueue, endpoint=Endpoint)
    cpdef put(self, object item)

    cpdef wake(self)

    cpdef begin_message(self, object what)

    cpdef take_message(self)

    cdef _take_part(self, object part)

    cdef _take(self)

    cpdef Waiter begin_wait(self, object what)

    cpdef bint waits_here(self) except -1

    cpdef end_wait(self)
