cdef class Waiter:
    cdef public bint _asyncio_future_blocking
    cdef object _cancel_message
    cdef object _context
    cdef bint _is_cancelled
    cdef bint _is_done
    cdef object _loop
    cdef object _wake_up

    cpdef begin(self)

    cpdef go_on(self)

    cpdef go_on_soon(self)

    cdef _schedule(self)
