cimport cython


cdef extern from "<linux/io_uring.h>":
    struct io_sqring_offsets:
        unsigned int tail
        unsigned int array

    struct io_cqring_offsets:
        unsigned int head
        unsigned int tail
        unsigned int cqes

    struct io_uring_params:
        unsigned int sq_entries
        unsigned int cq_entries
        unsigned int features
        io_sqring_offsets sq_off
        io_cqring_offsets cq_off

    struct io_uring_sqe:
        unsigned char opcode
        int fd
        unsigned long long addr
        unsigned int len
        unsigned int msg_flags
        unsigned long long user_data

    struct io_uring_cqe:
        unsigned long long user_data
        int res

    int IORING_OP_SEND, IORING_ENTER_GETEVENTS
    long long IORING_OFF_SQ_RING, IORING_OFF_SQES
    size_t ENTRY_BYTES "sizeof(struct io_uring_sqe)"
    size_t DONE_BYTES "sizeof(struct io_uring_cqe)"
    size_t UINT_BYTES "sizeof(unsigned int)"


cdef extern from "<sys/syscall.h>":
    long SYS_io_uring_setup, SYS_io_uring_enter


cdef extern from "<sys/mman.h>":
    int PROT_READ, PROT_WRITE, MAP_SHARED
    void *MAP_FAILED
    void *mmap(void *, size_t, int, int, int, long long)
    int munmap(void *, size_t)


cdef extern from "<sys/socket.h>":
    int MSG_DONTWAIT, MSG_NOSIGNAL


cdef extern from "<unistd.h>":
    long syscall(long, ...)
    int close(int)


cdef int _EAGAIN, _EINTR
cdef unsigned int _BATCH_SENDS_MAX, _FEATURE


cdef class SendRing:
    cdef readonly bint is_open
    cdef int _descriptor
    cdef io_uring_params _params
    cdef char *_queues
    cdef size_t _queues_bytes
    cdef io_uring_sqe *_entries
    cdef size_t _entries_bytes
    cdef io_uring_cqe *_done
    cdef unsigned int *_tail
    cdef unsigned int *_done_head
    cdef unsigned int *_done_tail
    cdef unsigned int _mask
    cdef unsigned int _done_mask

    @cython.locals(short=dict, start=Py_ssize_t, sent=Py_ssize_t, place=Py_ssize_t, batch=list)
    cpdef dict send_to_each(self, list descriptors, bytes buffer)

    @cython.locals(
        count=Py_ssize_t,
        size=Py_ssize_t,
        tail="unsigned int",
        head="unsigned int",
        index=Py_ssize_t,
        sent=Py_ssize_t,
        entry="io_uring_sqe *",
        done="io_uring_cqe *",
    )
    cdef Py_ssize_t _send_batch(
        self, list descriptors, Py_ssize_t start, bytes buffer, dict short
    ) except -1

    @cython.locals(left=Py_ssize_t, taken=Py_ssize_t)
    cdef Py_ssize_t _submit(self, Py_ssize_t count)

    @cython.locals(taken=Py_ssize_t)
    cdef Py_ssize_t _enter(self, unsigned int count, unsigned int ended_min)

    cdef _open(self)

    @cython.locals(params="io_uring_params *", places="unsigned int *", index=Py_ssize_t)
    cdef bint _map(self)

    @cython.locals(part="void *")
    cdef char *_map_part(self, size_t size, long long offset)

    cpdef close(self)
