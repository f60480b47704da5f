/* A mosquitto of one's own on a free port of 127.0.0.1, in a directory of its own. */
#ifndef TESTS_BROKER_UTIL_H
#define TESTS_BROKER_UTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct broker {
    pid_t pid;
    uint16_t port;
    char dir[64];
    char config[160];
} broker;

bool broker_installed(void);

/* `more` is appended to the configuration; %s in it stands for the directory. Waits until the port
 * answers. */
void broker_start(broker *b, const char *more);
void broker_pause(broker *b, bool paused); /* it neither reads nor answers */
void broker_kill(broker *b);               /* SIGKILL; the port stays ours as far as one can tell */
void broker_restart(broker *b);            /* after kill, on the same port */
void broker_stop(broker *b);               /* kills when it runs, removes the directory */

/* Directory for files that the configuration names, before broker_start(); broker_stop() removes
 * it. */
void broker_prepare(broker *b);
void broker_write(const broker *b, const char *name, const char *text);
void broker_run(const broker *b, const char *command); /* shell, in the directory; must succeed */

uint16_t free_port(void);

#endif
