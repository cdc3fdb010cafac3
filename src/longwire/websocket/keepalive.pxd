cdef class Keepalive:
    cdef readonly object deadline
    cdef object _settings
    cdef dict _pending
    cdef object _ping_sent_s
    cdef long long _made
    cdef bint _is_paused

    cdef _wait_for_silence(self, object last_received_s)
