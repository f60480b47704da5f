/* Recorded sessions of the reference (tests/fixtures/reference/sessions.txt), and whole messages
 * out of packets. */
#ifndef GMQ_TESTS_SIM_SESSIONS_H
#define GMQ_TESTS_SIM_SESSIONS_H

#include "base/bytes.h"

#define PACKETS 64
#define BIG     ((size_t)1 << 20)

typedef struct packet {
    char mark; /* '>', '!', '<', 'm', 'n', 't' */
    double seconds;
    int64_t i; /* -1: without */
    gmq__bytes bytes, value;
} packet;

typedef struct session {
    bool fake;
    char name[64], run[16], path[64];
    size_t limit;
    packet lines[PACKETS];
    size_t n;
    int32_t code; /* of the recorded client; -1: its own failure, -2: not recorded */
    gmq__bytes details;
} session;

typedef struct messages {
    gmq__bytes list[PACKETS];
    size_t n;
    uint64_t next;
    packet packets[PACKETS];
    size_t npackets;
} messages;

void each_session(void (*run)(const session *s));
bool any_of(const char *name, const char *const *list); /* list ends with NULL */

void add_packet(messages *m, int64_t i, gmq__span bytes);
void join(messages *m); /* m->list, in the order of `i` */
void messages_free(messages *m);

/* What a zstd frame holds, elements of a chunk unpacked too; other bytes as they are. */
gmq__bytes meaning(gmq__span in, bool *packed);
/* Messages of equal meaning, and where no zstd is in them, equal packets too; else the test fails.
 */
void compare_messages(const session *s, const messages *ours, const messages *theirs);

#endif
