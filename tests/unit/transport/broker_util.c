#include "unit/transport/broker_util.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include "cmocka_all.h"

static const char *program(void)
{
    static const char *const places[] = {"/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto",
                                         "/usr/bin/mosquitto"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool broker_installed(void) { return program() != NULL; }

static int open_socket(uint16_t port, struct sockaddr_in *at)
{
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

/* The socket stays bound, without listening, until the program ends: nobody else is given the port,
 * and who asks for this very one, with SO_REUSEADDR as brokers do, gets it. */
uint16_t free_port(void)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int fd = open_socket(0, &at), on = 1;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

/* Its log goes to a pipe until it says that it runs; what it logs later goes nowhere. */
static int launch(broker *b)
{
    int log[2];
    assert_int_equal(pipe(log), 0);
    fcntl(log[0], F_SETFD, FD_CLOEXEC);
    b->pid = fork();
    assert_true(b->pid >= 0);
    if (b->pid == 0) {
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it goes with a test that crashes */
#endif
        dup2(open("/dev/null", O_RDWR), 1);
        dup2(log[1], 2);
        close(log[1]);
        execl(program(), "mosquitto", "-c", b->config, (char *)NULL);
        _exit(127);
    }
    close(log[1]);
    return log[0];
}

static bool came_up(int log)
{
    char text[4096] = "";
    size_t len = 0;
    struct pollfd p = {.fd = log, .events = POLLIN};
    while (len + 1 < sizeof text && !strstr(text, " running") && poll(&p, 1, 30000) == 1) {
        ssize_t got = read(log, text + len, sizeof text - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        text[len] = '\0';
    }
    close(log);
    return strstr(text, " running") != NULL;
}

void broker_prepare(broker *b)
{
    memset(b, 0, sizeof *b);
    strcpy(b->dir, "/tmp/gmq-broker-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
}

void broker_write(const broker *b, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", b->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

void broker_run(const broker *b, const char *command)
{
    char line[2048];
    snprintf(line, sizeof line, "cd %s && { %s; } >>log 2>&1", b->dir, command);
    if (system(line) != 0)
        fail_msg("failed: %s (see %s/log)", command, b->dir);
}

/* "user root": mosquitto started by root stays root, so that it can read its files; others ignore
 * it. */
static void write_config(broker *b, const char *more)
{
    char text[4096], extra[2048] = "";
    char *at = extra;
    for (const char *s = more; *s; s++) {
        if (s[0] == '%' && s[1] == 's') {
            at += sprintf(at, "%s", b->dir);
            s++;
        } else {
            *at++ = *s;
            *at = '\0';
        }
    }
    bool own_access = strstr(more, "allow_anonymous") != NULL;
    snprintf(text, sizeof text,
             "user root\nlistener %u %s\n%spersistence false\nset_tcp_nodelay "
             "true\nlog_dest stderr\n%s\n",
             b->port, strstr(more, "websockets") ? "" : "127.0.0.1",
             own_access ? "" : "allow_anonymous true\n", extra);
    broker_write(b, "mosquitto.conf", text);
    snprintf(b->config, sizeof b->config, "%s/mosquitto.conf", b->dir);
}

void broker_start(broker *b, const char *more)
{
    b->port = free_port();
    write_config(b, more);
    if (!came_up(launch(b)))
        fail_msg("mosquitto does not start with %s", b->config);
}

void broker_pause(broker *b, bool paused)
{
    assert_int_equal(kill(b->pid, paused ? SIGSTOP : SIGCONT), 0);
}

void broker_kill(broker *b)
{
    if (b->pid > 0) {
        kill(b->pid, SIGKILL);
        waitpid(b->pid, NULL, 0);
    }
    b->pid = 0;
}

void broker_restart(broker *b) { assert_true(came_up(launch(b))); }

void broker_stop(broker *b)
{
    broker_kill(b);
    char line[128];
    snprintf(line, sizeof line, "rm -rf %s", b->dir);
    if (b->dir[0] && system(line) != 0)
        print_message("cannot remove %s\n", b->dir);
    b->dir[0] = '\0';
}
