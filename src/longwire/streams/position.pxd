cimport cython


@cython.locals(number="unsigned long long", byte="unsigned char")
cpdef str spell_position(long long offset, str epoch, bytes link)

cpdef bytes next_link(link, payload)
