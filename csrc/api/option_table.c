/* The one table of options. docs/guide/options.md is made from it
 * (tests/unit/api/options_page_test.c). */
#include "api/options.h"

#define KIB     INT64_C(1024)
#define MIB     (KIB * 1024)
#define GIB     (MIB * 1024)
#define HOUR_MS INT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)

#define CLIENT  GMQ__FOR_CLIENT
#define SERVER  GMQ__FOR_SERVER
#define GATEWAY GMQ__FOR_GATEWAY
#define CALL    GMQ__FOR_CALL
#define ENDS    (CLIENT | SERVER)

#define NUMBER(scopes, unit, min, max, initial, what)                                              \
    GMQ__OPTION_NUMBER, scopes, unit, min, max, initial, NULL, false, what
#define SWITCH(scopes, what) GMQ__OPTION_SWITCH, scopes, "", 0, 1, 0, NULL, false, what
#define TEXT(scopes, what)   GMQ__OPTION_TEXT, scopes, "", 0, 0, 0, NULL, false, what
#define SECRET(scopes, what) GMQ__OPTION_TEXT, scopes, "", 0, 0, 0, NULL, true, what
#define CHOICE(scopes, list, initial, what)                                                        \
    GMQ__OPTION_CHOICE, scopes, "", 0, 0, initial, list, false, what

static const gmq__choice dialects[] = {{"auto", GMQ__DIALECT_AUTO},
                                       {"session", GMQ__DIALECT_SESSION},
                                       {"link", GMQ__DIALECT_LINK},
                                       {NULL, 0}};
static const gmq__choice versions[] = {{"5", 5}, {"4", 4}, {"3.1.1", 4}, {NULL, 0}};
static const gmq__choice drives[] = {
    {"thread", GMQ__DRIVE_THREAD}, {"caller", GMQ__DRIVE_CALLER}, {NULL, 0}};
static const gmq__choice unknowns[] = {
    {"refuse", GMQ__UNKNOWN_REFUSE}, {"offer", GMQ__UNKNOWN_OFFER}, {NULL, 0}};

const gmq__option_row gmq__option_table[GMQ__OPT_COUNT] = {
    [GMQ__OPT_DIALECT] =
        {"dialect",
         CHOICE(
             ENDS, dialects, GMQ__DIALECT_AUTO,
             "What is spoken over MQTT. `session` is compatible with the Haskell grpc-mqtt, `link` "
             "is "
             "for our own peers. `auto`: a server speaks both; a client looks with its first call "
             "whether a server is announced, takes `link` then, else `session`, and keeps to it.")},
    [GMQ__OPT_TRANSPORT] =
        {"transport",
         TEXT(ENDS, "MQTT client library: `mosquitto` (mqtt, mqtts; the fast one, where it is "
                    "built in; a keep alive of at least 5 s), `paho` (mqtt, mqtts, ws, wss) or "
                    "`loopback` (loopback). Unset: the first of them that can.")},
    [GMQ__OPT_MQTT_VERSION] =
        {"mqtt_version",
         CHOICE(ENDS, versions, 5,
                "MQTT version. 3.1.1 (also written 4) carries no sequence numbers: the "
                "broker must keep the order.")},
    [GMQ__OPT_CLIENT_ID] = {"client_id",
                            TEXT(ENDS,
                                 "MQTT client id; unset: a random one. Two connections with the "
                                 "same id push each other out. The link dialect wants 1 to 64 of "
                                 "`A-Za-z0-9_.-`.")},
    [GMQ__OPT_SERVER_ID] =
        {"server_id",
         TEXT(SERVER, "Name of the server in the link dialect, one of its own for each: 1 to 64 of "
                      "`A-Za-z0-9_.-`; unset: `client_id`.")},
    [GMQ__OPT_GROUP] =
        {"group",
         TEXT(SERVER, "Servers of one base topic and one group share the links of their clients "
                      "(link dialect; a shared subscription); a link stays where it was opened. "
                      "Unset: every server is offered every link.")},
    [GMQ__OPT_INBOX] = {"inbox", TEXT(ENDS, "Link dialect: where answers go. A client's is this "
                                            "topic and its `client_id` behind it, unset "
                                            "`grpc/inbox`; a server answers only where its pattern "
                                            "allows it, unset `grpc/inbox/+`.")},
    [GMQ__OPT_SERVICES] =
        {"services",
         TEXT(SERVER,
              "Link dialect: names of services, with commas between, that a server announces "
              "beside those of its methods; for programs that take calls of methods that "
              "the map does not have.")},
    [GMQ__OPT_WS_PATH] = {"ws_path",
                          TEXT(ENDS, "HTTP path of a WebSocket broker (ws, wss); unset: `/mqtt`.")},
    [GMQ__OPT_USERNAME] = {"username",
                           TEXT(ENDS, "User name for the broker; may stand in the address too.")},
    [GMQ__OPT_PASSWORD] = {"password",
                           SECRET(
                               ENDS,
                               "Password for the broker. Better in a file or in the environment, "
                               "where no process list shows it.")},
    [GMQ__OPT_PASSWORD_FILE] =
        {"password_file",
         TEXT(ENDS, "File whose first line is the password; read when the object is "
                    "made.")},
    [GMQ__OPT_PASSWORD_ENV] = {"password_env",
                               TEXT(ENDS, "Environment variable that holds the password.")},
    [GMQ__OPT_CA_FILE] = {"ca_file",
                          TEXT(
                              ENDS,
                              "PEM file of the authorities trusted for TLS; unset: the system's.")},
    [GMQ__OPT_CERT_FILE] = {"cert_file",
                            TEXT(ENDS,
                                 "PEM file of our certificate, for brokers that ask for one.")},
    [GMQ__OPT_KEY_FILE] = {"key_file",
                           TEXT(ENDS,
                                "PEM file of the key of `cert_file`; unset: in the same file.")},
    [GMQ__OPT_INSECURE] = {"insecure",
                           SWITCH(ENDS, "TLS without checking who the broker is. For tests.")},
    [GMQ__OPT_KEEP_ALIVE_S] =
        {"keep_alive_s",
         NUMBER(ENDS, "s", 1, 65535, 20,
                "MQTT keep alive: a dead connection is noticed after one and a half "
                "of it, with 1 s after two and a half.")},
    [GMQ__OPT_CONNECT_TIMEOUT_MS] = {"connect_timeout_ms",
                                     NUMBER(ENDS, "ms", 1, HOUR_MS, 10000,
                                            "How long one attempt to connect may take.")},
    [GMQ__OPT_RECONNECT_MAX_MS] =
        {"reconnect_max_ms", NUMBER(ENDS, "ms", 1, DAY_MS, 120000,
                                    "Longest wait between attempts to connect; the first is short, "
                                    "then 1 s, growing by 1.6, each +-20 %.")},
    [GMQ__OPT_QOS] = {"qos",
                      NUMBER(ENDS, "", 0, 1, 1,
                             "MQTT quality of service. With 0 the broker may lose messages: calls "
                             "then fail, they never return wrong results.")},
    [GMQ__OPT_DRIVE] =
        {"drive",
         CHOICE(
             ENDS, drives, GMQ__DRIVE_THREAD,
             "Who works: a `thread` of the library, which lends the connection to whoever waits in "
             "gmq_queue_wait(); or only the `caller`, inside gmq_queue_poll() and "
             "gmq_queue_wait().")},
    [GMQ__OPT_LOG_LEVEL] = {"log_level",
                            NUMBER(ENDS, "", -1, 3, 1,
                                   "Which LOG events come: -1 none, 0 errors, 1 and warnings, 2 "
                                   "and information, 3 everything.")},
    [GMQ__OPT_MSG_SIZE_LIMIT] =
        {"msg_size_limit",
         NUMBER(
             ENDS,
             "bytes", 16, 256 * MIB - 128 * KIB - 1, 128000,
             "Largest MQTT message that is published; what is longer is split. A smaller maximum "
             "of the broker counts instead.")},
    [GMQ__OPT_RATE_LIMIT] =
        {"rate_limit", NUMBER(ENDS, "bytes/s", 0, 64 * GIB, 0,
                              "Most bytes of payload published in a second, all calls together; 0: "
                              "no limit.")},
    [GMQ__OPT_RECEIVE_LIMIT] = {"receive_limit",
                                NUMBER(ENDS, "bytes", 1, 2 * GIB - 1, 4 * MIB,
                                       "Largest gRPC message that is received, also after "
                                       "decompression.")},
    [GMQ__OPT_SEND_LIMIT] = {"send_limit", NUMBER(ENDS, "bytes", 0, 2 * GIB - 1, 2 * GIB - 1,
                                                  "Largest gRPC message that is sent.")},
    [GMQ__OPT_METADATA_LIMIT] = {"metadata_limit",
                                 NUMBER(
                                     ENDS, "bytes", 0, 16 * MIB, 8192,
                                     "Largest metadata of a call, each way: key + value + 32 for "
                                     "each pair.")},
    [GMQ__OPT_REASSEMBLY_LIMIT] = {"reassembly_limit",
                                   NUMBER(ENDS, "bytes", 1024, 64 * GIB, 64 * MIB,
                                          "Most bytes of unfinished messages and of packets "
                                          "that came early, all calls together.")},
    [GMQ__OPT_RECEIVE_BUFFER] =
        {"receive_buffer",
         NUMBER(ENDS, "bytes", 1, 64 * GIB, 8 * MIB,
                "Most bytes kept of one call for a slow reader; above it the call "
                "ends RESOURCE_EXHAUSTED. Unset: at least "
                "twice `receive_limit`.")},
    [GMQ__OPT_SEND_BUFFER] =
        {"send_buffer",
         NUMBER(ENDS, "bytes", 1, 64 * GIB, 2 * MIB,
                "Bytes of one call that may wait to be sent; above it gmq_call_send() "
                "says GMQ_E_AGAIN.")},
    [GMQ__OPT_MAX_CALLS] = {"max_calls",
                            NUMBER(ENDS, "", 1, 10000000, 100000,
                                   "Most calls open at a time; others end RESOURCE_EXHAUSTED.")},
    [GMQ__OPT_SUBSCRIPTIONS] =
        {"subscriptions",
         NUMBER(
             CLIENT, "", 1, 65535, 40,
             "Most reply topics subscribed at a time, that is calls in progress; "
             "others wait for one within their deadline.")},
    [GMQ__OPT_POOL_IDLE_MS] =
        {"pool_idle_ms",
         NUMBER(CLIENT, "ms", 0, DAY_MS, 30000,
                "Spare reply topics are unsubscribed after so long without a call.")},
    [GMQ__OPT_HEARTBEAT_MS] =
        {"heartbeat_ms", NUMBER(CLIENT, "ms", 10, HOUR_MS, 10000,
                                "A client tells the server this often that an open call is wanted "
                                "still.")},
    [GMQ__OPT_WATCHDOG_MS] =
        {"watchdog_ms", NUMBER(SERVER, "ms", 10, DAY_MS, 30000,
                               "A server ends a call whose client was not heard of for so long.")},
    [GMQ__OPT_GAP_TIMEOUT_MS] = {"gap_timeout_ms",
                                 NUMBER(ENDS, "ms", 1, HOUR_MS, 5000,
                                        "A packet missing for so long ends its call UNAVAILABLE.")},
    [GMQ__OPT_TOMBSTONE_MS] =
        {"tombstone_ms",
         NUMBER(SERVER, "ms", 0, DAY_MS, 60000,
                "A finished call is remembered for its timeout and so long, so that a "
                "late duplicate does not run it again.")},
    [GMQ__OPT_CALL_WINDOW] =
        {"call_window",
         NUMBER(ENDS, "bytes", 64 * KIB, GIB, 2 * MIB,
                "Link dialect: most bytes of one call that the other side may send ahead of the "
                "reader.")},
    [GMQ__OPT_LINK_WINDOW] =
        {"link_window", NUMBER(ENDS, "bytes", 256 * KIB, GIB, 4 * MIB,
                               "Link dialect: most bytes of all calls of a link that are on their "
                               "way.")},
    [GMQ__OPT_LINK_TIMEOUT_MS] =
        {"link_timeout_ms",
         NUMBER(ENDS, "ms", 100, DAY_MS, 30000,
                "Link dialect: a peer that was not heard of for so long is lost, and its calls end "
                "UNAVAILABLE; what is shorter costs only time.")},
    [GMQ__OPT_LINK_IDLE_MS] = {"link_idle_ms",
                               NUMBER(
                                   ENDS, "ms", 10, DAY_MS, 60000,
                                   "Link dialect: a link without calls is closed after so long.")},
    [GMQ__OPT_PING_MS] =
        {"ping_ms",
         NUMBER(ENDS, "ms", 10, HOUR_MS, 10000,
                "Link dialect: with calls open, the peer is asked after so long a silence.")},
    [GMQ__OPT_GRACE_MS] =
        {"grace_ms",
         NUMBER(ENDS, "ms", 0, HOUR_MS, 4000,
                "Link dialect: a peer whose Will the broker has published may come back "
                "within this time; then its calls end.")},
    [GMQ__OPT_BATCHED_STREAM] = {"batched_stream",
                                 SWITCH(ENDS | CALL,
                                        "Several messages of a stream may travel in one packet, "
                                        "both ways. The method's own option comes first. The "
                                        "caller decides: a server does what the call asks for.")},
    [GMQ__OPT_LINGER_MS] =
        {"linger_ms",
         NUMBER(ENDS, "ms", 0, 60000, 5,
                "How long a batch may wait for more; 0: it takes only what is ready.")},
    [GMQ__OPT_SERVER_CLEVEL] =
        {"server_clevel",
         NUMBER(ENDS | CALL, "", 0, 22, 0,
                "zstd level of what the server sends; 0: none. The method's own option "
                "comes first, and is the only one that compresses unary calls. The caller "
                "decides, as with `batched_stream`.")},
    [GMQ__OPT_CLIENT_CLEVEL] = {"client_clevel",
                                NUMBER(ENDS | CALL, "", 0, 22, 0,
                                       "zstd level of what the client sends, likewise.")},
    [GMQ__OPT_WAIT_FOR_READY] = {"wait_for_ready",
                                 SWITCH(CLIENT | CALL,
                                        "Calls wait within their deadline while there is no "
                                        "connection or no server, instead of ending UNAVAILABLE.")},
    [GMQ__OPT_PROBE] =
        {"probe",
         SWITCH(
             CLIENT,
             "The state READY waits for a server in the session dialect, too. It announces "
             "none, so that while no call is open the broker is asked by a control message of no "
             "session whether anybody listens (MQTT 5). grpc_mqtt for Python has it on.")},
    [GMQ__OPT_ANY_KIND] =
        {"any_kind",
         SWITCH(CALL,
                "The caller does not know the method's kind: a call started as bidi takes the "
                "server's. In the session dialect, which cannot do that, it ends UNIMPLEMENTED.")},
    [GMQ__OPT_UNKNOWN_METHODS] =
        {"unknown_methods",
         CHOICE(SERVER, unknowns, GMQ__UNKNOWN_REFUSE,
                "Calls of methods that a server's map does not have: `refuse` ends them "
                "UNIMPLEMENTED, `offer` leaves that to the program (gmq_call_resolve()).")},
    [GMQ__OPT_INITIAL_METADATA_WAIT_MS] =
        {"initial_metadata_wait_ms",
         NUMBER(
             GATEWAY, "ms", 0, 60000, 100,
             "How long a bidi call waits for the gRPC server's initial metadata before the client "
             "is sent an empty map.")},
    [GMQ__OPT_PASSTHROUGH] =
        {"passthrough",
         TEXT(GATEWAY,
              "Address of the gRPC server that is sent the calls of methods which no descriptor "
              "names (link dialect: there the caller says of what kind they are); unset: they end "
              "UNIMPLEMENTED.")},
};
