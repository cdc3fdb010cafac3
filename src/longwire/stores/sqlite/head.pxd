cdef class Head:
    cdef public object application_sequence
    cdef public long long created_ms
    cdef public object deadline_ms
    cdef public object floor
    cdef public object fork
    cdef public long long fork_count
    cdef public long long id
    cdef public bint is_closed
    cdef public bint is_deleted
    cdef public bint keeps_latest
    cdef public long long kept_bytes
    cdef public long long kept_entries
    cdef public object lineage
    cdef public bint may_expire
    cdef public object name
    cdef public long long newest_ms
    cdef public long long oldest_ms
    cdef public object producer_count
    cdef public object settings
    cdef public object tail

    cpdef bint is_expired(self, long long now_ms) except -1

    cpdef next_deadline_ms(self, long long now_ms)
