/* TCP_NODELAY for sockets of libraries that neither set it nor show their descriptors. */
#ifndef GMQ_TRANSPORT_NODELAY_H
#define GMQ_TRANSPORT_NODELAY_H

#include <stddef.h>
#include <stdint.h>

/* Sets TCP_NODELAY on every TCP socket of the process whose peer has this port and, when `host` is
 * a numeric address, this address. Returns how many sockets have the option on now. Any thread; a
 * few microseconds for each open descriptor. */
size_t gmq__nodelay_peer(const char *host, uint16_t port);

#endif
