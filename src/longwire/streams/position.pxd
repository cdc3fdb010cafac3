cpdef bytes next_link(link, payload)
