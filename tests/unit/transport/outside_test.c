/* What a transport meets outside: TLS, passwords, limits of the broker, a broker that dies. Over
 * paho and mosquitto. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "unit/transport/broker_util.h"
#include "unit/transport/transport_util.h"

static const gmq__transport_vtable *now;

static gmq__transport_config config_for(const broker *b)
{
    return (gmq__transport_config){.scheme = "mqtt",
                                   .host = "127.0.0.1",
                                   .port = b->port,
                                   .client_id = "",
                                   .mqtt_version = 5,
                                   .keep_alive_s = 20,
                                   .connect_timeout_ms = 10000};
}

static void start(broker *b, const char *config)
{
    broker_prepare(b);
    broker_start(b, config);
}

static void open_and_connect(peer *p, const gmq__transport_config *config)
{
    peer_open(p, now, config);
    peer_connect(p);
}

/* The one line that a refused attempt gives. */
static char *refusal(const gmq__transport_config *config, int *reason)
{
    static char text[512];
    peer p;
    peer_open(&p, now, config);
    assert_int_equal(p.t->vtable->connect(p.t), GMQ_OK);
    const peer_state *s = peer_next_state(&p);
    assert_int_equal(s->state, GMQ__T_REFUSED);
    if (reason)
        *reason = s->reason;
    snprintf(text, sizeof text, "%s", s->text);
    peer_destroy(&p);
    return text;
}

static void expect_refusal(const gmq__transport_config *config, const char *words)
{
    char *text = refusal(config, NULL);
    char address[64];
    snprintf(address, sizeof address, "%s://%s:%u: ", config->scheme, config->host, config->port);
    if (strncmp(text, address, strlen(address)) != 0 || !strstr(text, words))
        fail_msg("\"%s\" instead of \"%s%s\"", text, address, words);
}

/* ---- sockets ---- */

static int sockets_to(uint16_t port, int option, int *with)
{
    int n = 0;
    *with = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct sockaddr_in peer_name;
        socklen_t len = sizeof peer_name;
        if (getpeername(fd, (struct sockaddr *)&peer_name, &len) != 0 ||
            peer_name.sin_family != AF_INET || ntohs(peer_name.sin_port) != port)
            continue;
        int on = 0;
        len = sizeof on;
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, option, &on, &len), 0);
        *with += on != 0;
        n++;
    }
    return n;
}

static void test_nodelay_on_every_socket(void **state)
{
    (void)state;
    broker b;
    start(&b, "");
    peer p[3];
    gmq__transport_config config = config_for(&b);
    for (int i = 0; i < 3; i++) {
        config.host = i == 2 ? "localhost" : "127.0.0.1";
        open_and_connect(&p[i], &config);
        int with;
        assert_int_equal(sockets_to(b.port, TCP_NODELAY, &with), i + 1);
        assert_int_equal(with, i + 1);
    }
    for (int i = 0; i < 3; i++) {
        peer_close(&p[i]);
        peer_destroy(&p[i]);
    }
    int with;
    assert_int_equal(sockets_to(b.port, TCP_NODELAY, &with), 0);
    broker_stop(&b);
}

/* ---- no connection ---- */

static void test_connection_refused(void **state)
{
    (void)state;
    broker b = {.port = free_port()};
    gmq__transport_config config = config_for(&b);
    for (int version = 4; version <= 5; version++) {
        config.mqtt_version = version;
        char expected[80];
        snprintf(expected, sizeof expected, "mqtt://127.0.0.1:%u: connection refused", b.port);
        assert_string_equal(refusal(&config, NULL), expected);
    }
}

static void test_host_not_found(void **state)
{
    (void)state;
    broker b = {.port = 1883};
    gmq__transport_config config = config_for(&b);
    config.host = "no-such-host.invalid";
    expect_refusal(&config, "host not found");
}

static int listen_somewhere(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof *at;
    assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

/* Somebody listens and never says anything. */
static void test_connect_timeout(void **state)
{
    (void)state;
    struct sockaddr_in at;
    int fd = listen_somewhere(&at);
    broker b = {.port = ntohs(at.sin_port)};
    gmq__transport_config config = config_for(&b);
    config.connect_timeout_ms = 1000;
    expect_refusal(&config, "no answer within 1 s");
    peer p; /* and one that is given up while it waits */
    peer_open(&p, now, &config);
    assert_int_equal(p.t->vtable->connect(p.t), GMQ_OK);
    peer_close(&p);
    peer_destroy(&p);
    close(fd);
}

static void test_broker_killed_and_back(void **state)
{
    (void)state;
    broker b;
    start(&b, "");
    gmq__transport_config config = config_for(&b);
    for (int version = 4; version <= 5; version++) {
        config.mqtt_version = version;
        peer p;
        open_and_connect(&p, &config);
        peer_subscribe(&p, "t", 1);
        broker_kill(&b);
        const peer_state *s = peer_next_state(&p);
        assert_int_equal(s->state, GMQ__T_LOST);
        assert_non_null(strstr(s->text, "connection lost"));
        gmq__mqtt_message message = text_message("t", "x", 1);
        assert_int_equal(p.t->vtable->publish(p.t, &message, 1), GMQ_E_CLOSED);
        assert_int_equal(p.t->vtable->connect(p.t), GMQ_OK);
        assert_int_equal(peer_next_state(&p)->state, GMQ__T_REFUSED);
        broker_restart(&b);
        peer_connect(&p);
        peer_subscribe(&p, "t", 1);
        assert_int_equal(peer_publish(&p, "t", "x", 1), 0);
        peer_wait_messages(&p, 1);
        peer_close(&p);
        peer_destroy(&p);
    }
    broker_stop(&b);
}

/* Publishes that the library still holds when the connection goes must not leave on the next one.
 */
static void test_nothing_old_on_a_new_connection(void **state)
{
    (void)state;
    broker b;
    start(&b, "");
    gmq__transport_config config = config_for(&b);
    peer p;
    open_and_connect(&p, &config);
    broker_pause(&b, true);
    gmq__mqtt_message message = text_message("t", "old", 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(p.t->vtable->publish(p.t, &message, (uint64_t)i + 1), GMQ_OK);
    broker_kill(&b);
    assert_int_equal(peer_next_state(&p)->state, GMQ__T_LOST);
    assert_int_equal(p.nacks, 0);
    broker_restart(&b);
    peer_connect(&p);
    peer_subscribe(&p, "t", 1);
    peer_publish(&p, "t", "new", 1);
    peer_wait_messages(&p, 1);
    assert_true(message_is(p.messages[0], "t", "new"));
    assert_int_equal(p.nmessages, 1);
    peer_close(&p);
    peer_destroy(&p);
    broker_stop(&b);
}

/* ---- who may ---- */

static void test_passwords(void **state)
{
    (void)state;
    broker b;
    broker_prepare(&b);
    broker_run(&b, "mosquitto_passwd -c -b passwords alice secret");
    broker_write(&b, "acl", "user alice\ntopic readwrite open/#\n");
    broker_start(&b, "allow_anonymous false\npassword_file %s/passwords\nacl_file %s/acl\n");
    gmq__transport_config config = config_for(&b);
    for (int version = 4; version <= 5; version++) {
        int reason;
        config.mqtt_version = version;
        config.username = NULL;
        config.password = NULL;
        expect_refusal(&config, "not authorised (0x87)");
        config.username = "alice";
        config.password = "wrong";
        char *text = refusal(&config, &reason);
        assert_true(reason == GMQ__MQTT_NOT_AUTHORIZED || reason == GMQ__MQTT_BAD_CREDENTIALS);
        assert_null(strstr(text, "wrong"));
        config.password = "secret";
        peer p;
        open_and_connect(&p, &config);
        assert_int_equal(peer_subscribe(&p, "open/x", 1), 1);
        assert_int_equal(peer_publish(&p, "open/x", "x", 1), 0);
        if (version == 5)
            assert_int_equal(peer_publish(&p, "closed/x", "x", 1), GMQ__MQTT_NOT_AUTHORIZED);
        peer_close(&p);
        peer_destroy(&p);
    }
    broker_stop(&b);
}

/* ---- limits ---- */

static void test_packet_limit(void **state)
{
    (void)state;
    broker b;
    start(&b, "max_packet_size 1000\n");
    gmq__transport_config config = config_for(&b);
    peer p;
    open_and_connect(&p, &config);
    assert_int_equal(p.states[0].limits.packet_max, 1000);
    peer_subscribe(&p, "t", 1);
    uint8_t bytes[1000] = {0};
    gmq__mqtt_property property = {gmq__span_str("i"), gmq__span_str("7")};
    gmq__mqtt_message message = text_message("t", "", 1);
    message.properties = &property;
    message.nproperties = 1;
    size_t room = 1000 - gmq__mqtt_publish_overhead(&message, 980);
    message.payload = gmq__span_of(bytes, room + 1);
    assert_int_equal(p.t->vtable->publish(p.t, &message, 1), GMQ_E_TOO_LARGE);
    assert_non_null(strstr(gmq_error_text(), "1001"));
    message.payload.len = room;
    assert_int_equal(p.t->vtable->publish(p.t, &message, 2), GMQ_OK);
    assert_int_equal(peer_ack_of(&p, 2), 0);
    peer_wait_messages(&p, 1);
    assert_int_equal(p.messages[0]->message.payload.len, room);
    peer_close(&p);
    peer_destroy(&p);
    broker_stop(&b);
}

static void test_receive_maximum_is_kept(void **state)
{
    (void)state;
    broker b;
    start(&b, "max_inflight_messages 3\n");
    gmq__transport_config config = config_for(&b);
    peer p;
    open_and_connect(&p, &config);
    assert_int_equal(p.states[0].limits.receive_max, 3);
    broker_pause(&b, true); /* so that nothing is acknowledged meanwhile */
    gmq__mqtt_message message = text_message("t", "x", 1);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(p.t->vtable->publish(p.t, &message, i), GMQ_OK);
    assert_int_equal(p.t->vtable->publish(p.t, &message, 4), GMQ_E_AGAIN);
    broker_pause(&b, false);
    for (uint64_t i = 1; i <= 3; i++)
        peer_ack_of(&p, i);
    for (uint64_t i = 5; i < 200; i++) { /* for a long time, without the broker hanging up */
        while (p.t->vtable->publish(p.t, &message, i) != GMQ_OK)
            peer_ack_of(&p, i - 3);
    }
    peer_ack_of(&p, 199);
    peer_close(&p);
    peer_destroy(&p);
    broker_stop(&b);
}

/* A server that wants to hear of its client every second, and goes on only when it does. */
static void *strict_server(void *arg)
{
    static const uint8_t connack[] = {0x20, 6, 0, 0, 3, 0x13, 0, 1};
    uint8_t bytes[256] = {0};
    int fd = accept(*(int *)arg, NULL, NULL);
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got > 0 && write(fd, connack, sizeof connack) == (ssize_t)sizeof connack)
        while (bytes[0] != 0xc0 && (got = read(fd, bytes, sizeof bytes)) > 0) {
        }
    close(fd);
    return NULL;
}

static void test_server_keep_alive_is_kept(void **state)
{
    (void)state;
    struct sockaddr_in at;
    int fd = listen_somewhere(&at);
    pthread_t server;
    assert_int_equal(pthread_create(&server, NULL, strict_server, &fd), 0);
    broker b = {.port = ntohs(at.sin_port)};
    gmq__transport_config config = config_for(&b);
    config.keep_alive_s = 600;
    peer p;
    open_and_connect(&p, &config);
    assert_int_equal(p.states[0].limits.keep_alive_s, 1);
    assert_int_equal(peer_next_state(&p)->state, GMQ__T_LOST); /* hung up after the PINGREQ */
    pthread_join(server, NULL);
    peer_destroy(&p);
    close(fd);
}

static void test_server_keep_alive(void **state)
{
    (void)state;
    broker b;
    start(&b, "max_keepalive 15\n");
    gmq__transport_config config = config_for(&b);
    config.keep_alive_s = 60;
    peer p;
    open_and_connect(&p, &config);
    assert_int_equal(p.states[0].limits.keep_alive_s, 15);
    peer_close(&p);
    peer_destroy(&p);
    broker_stop(&b);
}

static void test_large_messages(void **state)
{
    (void)state;
    broker b;
    start(&b, "");
    gmq__transport_config config = config_for(&b);
    peer p;
    open_and_connect(&p, &config);
    peer_subscribe(&p, "big", 1);
    size_t len = 16u << 20;
    uint8_t *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    gmq__mqtt_message message = text_message("big", "", 1);
    message.payload = gmq__span_of(bytes, len);
    for (uint64_t i = 1; i <= 3; i++) {
        gmq_status status = p.t->vtable->publish(p.t, &message, i);
        if (status == GMQ_E_AGAIN) { /* one of this size at a time */
            peer_ack_of(&p, i - 1);
            status = p.t->vtable->publish(p.t, &message, i);
        }
        assert_int_equal(status, GMQ_OK);
    }
    peer_wait_messages(&p, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(gmq__span_equal(p.messages[i]->message.payload, message.payload));
    peer_ack_of(&p, 3);
    free(bytes);
    peer_close(&p);
    peer_destroy(&p);
    broker_stop(&b);
}

/* What was accepted leaves before close() disconnects, however large. */
static void test_close_sends_what_was_accepted(void **state)
{
    (void)state;
#ifndef GMQ_PAHO_WRAPPED
    if (now == &gmq__paho_transport)
        skip(); /* paho alone takes longer for 16 MiB than close() waits */
#endif
    broker b;
    start(&b, "");
    gmq__transport_config config = config_for(&b);
    peer p, watcher;
    open_and_connect(&watcher, &config);
    peer_subscribe(&watcher, "big", 1);
    size_t len = 16u << 20;
    uint8_t *bytes = calloc(1, len);
    gmq__mqtt_message message = text_message("big", "", 1);
    for (int version = 4; version <= 5; version++) {
        config.mqtt_version = version;
        open_and_connect(&p, &config);
        message.payload = gmq__span_of(bytes, 100);
        for (uint64_t i = 1; i <= 10; i++)
            assert_int_equal(p.t->vtable->publish(p.t, &message, i), GMQ_OK);
        peer_ack_of(&p, 10);
        message.payload = gmq__span_of(bytes, len);
        assert_int_equal(p.t->vtable->publish(p.t, &message, 11), GMQ_OK);
        peer_close(&p);
        peer_destroy(&p);
        peer_wait_messages(&watcher, version == 4 ? 11 : 22);
    }
    free(bytes);
    peer_close(&watcher);
    peer_destroy(&watcher);
    broker_stop(&b);
}

/* ---- TLS ---- */

static void make_certificates(const broker *b)
{
    broker_run(b, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
                  "ca.key -out ca.crt -days 30 "
                  "-subj '/CN=test CA'");
    broker_run(b, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
                  "other.key -out other.crt "
                  "-days 30 -subj '/CN=other CA'");
    static const char *const names[] = {"right", "wrong", "old", "client"};
    for (size_t i = 0; i < 4; i++) {
        char command[1024];
        snprintf(command, sizeof command,
                 "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key "
                 "-out %s.csr -subj '/CN=%s' && "
                 "echo 'subjectAltName=%s' > %s.ext && openssl x509 -req -in %s.csr -CA ca.crt "
                 "-CAkey ca.key -CAcreateserial "
                 "-out %s.crt -days %d -extfile %s.ext",
                 names[i], names[i], names[i],
                 i == 1 ? "DNS:elsewhere.example" : "IP:127.0.0.1,DNS:localhost", names[i],
                 names[i], names[i], i == 2 ? -1 : 30, names[i]);
        broker_run(b, command);
    }
}

static void path(char *to, const broker *b, const char *name)
{
    snprintf(to, 128, "%s/%s", b->dir, name);
}

static void start_tls(broker *b, const char *certificate, const char *more)
{
    char config[512];
    snprintf(config, sizeof config, "certfile %%s/%s.crt\nkeyfile %%s/%s.key\n%s", certificate,
             certificate, more);
    broker_start(b, config);
}

static void expect_tls(const gmq__transport_config *config)
{
    peer p;
    open_and_connect(&p, config);
    int with;
    assert_int_equal(sockets_to(config->port, TCP_NODELAY, &with), 1);
    assert_int_equal(with, 1);
    peer_subscribe(&p, "t", 1);
    assert_int_equal(peer_publish(&p, "t", "x", 1), 0);
    peer_wait_messages(&p, 1);
    peer_close(&p);
    peer_destroy(&p);
}

static void test_tls(void **state)
{
    (void)state;
    broker b;
    broker_prepare(&b);
    make_certificates(&b);
    char ca[128], other[128], missing[128];
    path(ca, &b, "ca.crt");
    path(other, &b, "other.crt");
    path(missing, &b, "missing.crt");

    start_tls(&b, "right", "");
    gmq__transport_config config = config_for(&b);
    config.scheme = "mqtts";
    config.ca_file = ca;
    expect_tls(&config);
    config.host = "localhost";
    expect_tls(&config);
    config.host = "127.0.0.1";
    config.ca_file = other;
    expect_refusal(&config, "certificate not accepted: unable to get local issuer certificate");
    config.insecure = true;
    expect_tls(&config);
    config.insecure = false;
    config.ca_file = missing;
    expect_refusal(&config, "missing.crt: no such file");
    config.ca_file = NULL; /* the system's do not know ours */
    expect_refusal(&config, "certificate not accepted");
    broker_kill(&b);

    config.ca_file = ca;
    start_tls(&b, "wrong", "");
    config.port = b.port;
    expect_refusal(&config, "certificate not accepted: IP address mismatch");
    config.host = "localhost";
    expect_refusal(&config, "certificate not accepted: hostname mismatch");
    config.host = "127.0.0.1";
    broker_kill(&b);

    start_tls(&b, "old", "");
    config.port = b.port;
    expect_refusal(&config, "certificate not accepted: certificate has expired");
    broker_stop(&b);
}

static void test_client_certificate(void **state)
{
    (void)state;
    broker b;
    broker_prepare(&b);
    make_certificates(&b);
    char ca[128], cert[128], key[128];
    path(ca, &b, "ca.crt");
    path(cert, &b, "client.crt");
    path(key, &b, "client.key");
    start_tls(&b, "right", "cafile %s/ca.crt\nrequire_certificate true\n");
    gmq__transport_config config = config_for(&b);
    config.scheme = "mqtts";
    config.ca_file = ca;
    expect_refusal(&config, "certificate required");
    config.cert_file = cert;
    config.key_file = key;
    expect_tls(&config);
    broker_stop(&b);
}

static void test_plain_to_tls_and_back(void **state)
{
    (void)state;
    broker b;
    broker_prepare(&b);
    make_certificates(&b);
    start_tls(&b, "right", "");
    gmq__transport_config config = config_for(&b);
    expect_refusal(&config, "closed the connection before");
    broker_kill(&b);
    broker_start(&b, "");
    config.port = b.port;
    config.scheme = "mqtts";
    expect_refusal(&config, "TLS");
    broker_stop(&b);
}

/* ---- websockets ---- */

static void test_websockets(void **state)
{
    (void)state;
    broker b;
    broker_prepare(&b);
    char text[128]; /* mosquitto 2.0 does not start with a websocket listener alone */
    snprintf(text, sizeof text, "protocol websockets\nlistener %u 127.0.0.1\n", free_port());
    broker_start(&b, text);
    gmq__transport_config config = config_for(&b);
    config.scheme = "ws";
    config.path = "/mqtt";
    for (int version = 4; version <= 5; version++) {
        config.mqtt_version = version;
        expect_tls(&config);
    }
    broker_stop(&b);
}

static void test_websockets_over_tls(void **state)
{
    (void)state;
    broker b;
    broker_prepare(&b);
    make_certificates(&b);
    char ca[128], text[128];
    path(ca, &b, "ca.crt");
    snprintf(text, sizeof text, "protocol websockets\nlistener %u 127.0.0.1\n", free_port());
    start_tls(&b, "right", text);
    gmq__transport_config config = config_for(&b);
    config.scheme = "wss";
    config.path = "/mqtt";
    config.ca_file = ca;
    expect_tls(&config);
    broker_stop(&b);
}

static void test_refused_after_fork(void **state)
{
    (void)state;
    gmq__transport *t = NULL;
    gmq__sink sink = {0};
    broker b = {.port = 1};
    gmq__transport_config config = config_for(&b);
    assert_int_equal(now->create(&t, &config, &sink), GMQ_OK);
    pid_t pid = fork();
    if (pid == 0) {
        gmq__transport *u = NULL;
        _exit(gmq__paho_transport.create(&u, &config, &sink) == GMQ_E_FORKED ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    gmq__paho_transport.destroy(t);
}

static void test_bad_config(void **state)
{
    (void)state;
    gmq__transport *t = NULL;
    gmq__sink sink = {0};
    broker b = {.port = 1};
    gmq__transport_config config = config_for(&b);
    config.scheme = "amqp";
    assert_int_equal(now->create(&t, &config, &sink), GMQ_E_UNSUPPORTED);
    assert_non_null(strstr(gmq_error_text(), "amqp"));
    config.scheme = "mqtt";
    config.host = "";
    assert_int_equal(now->create(&t, &config, &sink), GMQ_E_INVALID);
    assert_ptr_equal(gmq__transport_find("paho"), &gmq__paho_transport);
    assert_ptr_equal(gmq__transport_find("loopback"), &gmq__loopback_transport);
    assert_null(gmq__transport_find("pigeon"));
}

#ifdef GMQ_WITH_MOSQUITTO
static void test_no_websockets(void **state)
{
    (void)state;
    gmq__transport *t = NULL;
    gmq__sink sink = {0};
    broker b = {.port = 1};
    gmq__transport_config config = config_for(&b);
    config.scheme = "wss";
    assert_int_equal(now->create(&t, &config, &sink), GMQ_E_UNSUPPORTED);
    assert_non_null(strstr(gmq_error_text(), "paho"));
}

/* A name has several addresses: "localhost" is ::1 first, where nobody listens. */
static void test_next_address(void **state)
{
    (void)state;
    broker b;
    start(&b, "");
    gmq__transport_config config = config_for(&b);
    config.host = "localhost";
    peer p;
    open_and_connect(&p, &config);
    peer_close(&p);
    peer_destroy(&p);
    broker_stop(&b);
    expect_refusal(&config, "connection refused");
}

/* libmosquitto is given an address; the name is in the client's hello all the same. */
static void test_host_name_in_tls(void **state)
{
    (void)state;
    broker b;
    broker_prepare(&b);
    make_certificates(&b);
    b.port = free_port();
    char ca[128], command[256];
    path(ca, &b, "ca.crt");
    snprintf(
        command, sizeof command,
        "openssl s_server -accept %u -cert right.crt -key right.key -cert2 "
        "wrong.crt -key2 wrong.key -servername localhost -quiet >/dev/null 2>&1 & echo $! >pid",
        b.port);
    broker_run(&b, command);
    gmq__transport_config config = config_for(&b);
    config.scheme = "mqtts";
    config.host = "localhost";
    config.ca_file = ca;
    /* told the name it shows the other certificate, which is not the name's */
    for (char *text = refusal(&config, NULL); !strstr(text, "hostname mismatch");
         text = refusal(&config, NULL))
        if (!strstr(text, "connection refused")) /* it starts */
            fail_msg("%s", text);
    broker_run(&b, "kill $(cat pid) || true");
    broker_stop(&b);
}
#endif

#define ALL                                                                                        \
    cmocka_unit_test(test_connection_refused), cmocka_unit_test(test_host_not_found),              \
        cmocka_unit_test(test_connect_timeout), cmocka_unit_test(test_nodelay_on_every_socket),    \
        cmocka_unit_test(test_broker_killed_and_back),                                             \
        cmocka_unit_test(test_nothing_old_on_a_new_connection), cmocka_unit_test(test_passwords),  \
        cmocka_unit_test(test_packet_limit), cmocka_unit_test(test_receive_maximum_is_kept),       \
        cmocka_unit_test(test_server_keep_alive),                                                  \
        cmocka_unit_test(test_server_keep_alive_is_kept), cmocka_unit_test(test_large_messages),   \
        cmocka_unit_test(test_close_sends_what_was_accepted), cmocka_unit_test(test_tls),          \
        cmocka_unit_test(test_client_certificate), cmocka_unit_test(test_plain_to_tls_and_back)

static int test_paho(void)
{
    now = &gmq__paho_transport;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_config), cmocka_unit_test(test_refused_after_fork),  ALL,
        cmocka_unit_test(test_websockets), cmocka_unit_test(test_websockets_over_tls),
    };
    return cmocka_run_group_tests_name("paho", tests, NULL, NULL);
}

static int test_mosquitto(void)
{
#ifdef GMQ_WITH_MOSQUITTO
    now = &gmq__mosquitto_transport;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_config),       ALL,
        cmocka_unit_test(test_no_websockets),    cmocka_unit_test(test_next_address),
        cmocka_unit_test(test_host_name_in_tls),
    };
    return cmocka_run_group_tests_name("mosquitto", tests, NULL, NULL);
#else
    puts("mosquitto is not tested: it is not built in");
    return 0;
#endif
}

int main(void)
{
    if (!broker_installed()) {
        puts("nothing is tested: there is no mosquitto broker");
        return 0;
    }
    if (getenv("TEST_FILTER"))
        cmocka_set_test_filter(getenv("TEST_FILTER"));
    return test_paho() + test_mosquitto();
}
