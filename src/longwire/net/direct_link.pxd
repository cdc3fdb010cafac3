cimport cython

from longwire.net.reactor_link cimport ReactorLink


@cython.locals(direct=ReactorLink)
cpdef object link_now(object link)

@cython.locals(direct=ReactorLink)
cpdef Py_ssize_t link_held_bytes(object link) except -1

@cython.locals(direct=ReactorLink)
cpdef write_to_link(object link, list buffers)

@cython.locals(direct=ReactorLink)
cpdef set_link_deadline(object link, object when)
