cpdef str spell_position(long long offset, epoch, link)

cpdef bytes next_link(link, payload)
