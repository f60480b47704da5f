#include "transport/nodelay.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCAN_LIMIT 65536 /* descriptors tried where there is no list of the open ones */

typedef struct peer {
    uint16_t port; /* network order */
    int family;    /* AF_UNSPEC: a name, any address will do */
    struct in_addr v4;
    struct in6_addr v6;
} peer;

static peer parse(const char *host, uint16_t port)
{
    peer p = {.port = htons(port), .family = AF_UNSPEC};
    if (inet_pton(AF_INET, host, &p.v4) == 1)
        p.family = AF_INET;
    else if (inet_pton(AF_INET6, host, &p.v6) == 1)
        p.family = AF_INET6;
    return p;
}

static bool matches(const peer *p, const struct sockaddr_storage *from)
{
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        return in->sin_port == p->port &&
               (p->family == AF_UNSPEC ||
                (p->family == AF_INET && in->sin_addr.s_addr == p->v4.s_addr));
    }
    if (from->ss_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    return in6->sin6_port == p->port &&
           (p->family == AF_UNSPEC ||
            (p->family == AF_INET6 && memcmp(&in6->sin6_addr, &p->v6, sizeof p->v6) == 0));
}

static bool set_if_peer(int fd, const peer *p)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    if (getpeername(fd, (struct sockaddr *)&from, &len) != 0 || !matches(p, &from))
        return false;
    int on = 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

size_t gmq__nodelay_peer(const char *host, uint16_t port)
{
    peer p = parse(host, port);
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) {
        long limit = sysconf(_SC_OPEN_MAX);
        limit = limit < 0 || limit > SCAN_LIMIT ? SCAN_LIMIT : limit;
        for (int fd = 0; fd < limit; fd++)
            n += set_if_peer(fd, &p);
        return n;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            n += set_if_peer((int)strtol(entry->d_name, NULL, 10), &p);
    closedir(dir);
    return n;
}
