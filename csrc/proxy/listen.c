#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificates.h"

/* HTTP/2 has words of its own in the header list: path, authority, encodings. */
enum { HEADERS_MIN = 8192, HEADERS_OWN = 4096 };

/* A client that has vanished is noticed within 80 s, and its calls are cancelled; clients may ask
 * for signs of life often, too. */
enum { KEEPALIVE_MS = 60000, KEEPALIVE_WAIT_MS = 20000, CLIENT_PING_MS = 10000 };

static grpc_arg int_arg(const char *key, int64_t value)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
    arg.value.integer = value > INT32_MAX ? INT32_MAX : (int)value;
    return arg;
}

static grpc_server *server_make(int64_t receive_limit, int64_t metadata_limit)
{
    int64_t headers = metadata_limit + HEADERS_OWN;
    grpc_arg args[] = {
        int_arg(GRPC_ARG_ALLOW_REUSEPORT, 0), /* two proxies must not share a port by chance */
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, receive_limit),
        int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
        int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_WAIT_MS),
        int_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        int_arg(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0), /* no limit */
        int_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, CLIENT_PING_MS),
        int_arg(GRPC_ARG_MAX_METADATA_SIZE, headers < HEADERS_MIN ? HEADERS_MIN : headers),
    };
    grpc_channel_args all = {.num_args = sizeof args / sizeof *args, .args = args};
    return grpc_server_create(&all, NULL);
}

static gmq_status fail(const char *address, const char *why)
{
    char text[1024];
    snprintf(text, sizeof text, "cannot listen on %s: %s", address, why);
    return gmq_error_set(GMQ_E_IO, text);
}

/* ---- Why an address was refused: gRPC does not say, so we try it ourselves ---- */

static int try_bind(const struct addrinfo *info)
{
    int on = 1, error = 0;
    int fd = socket(info->ai_family, info->ai_socktype, info->ai_protocol);
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, 1) != 0)
        error = errno;
    close(fd);
    return error;
}

/* Host and port of "host:port", "[host]:port". */
static void split(const char *address, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t from = address[0] == '[', to = (size_t)(colon - address);
    if (from && to > 1 && address[to - 1] == ']')
        to--;
    snprintf(host, size, "%.*s", (int)(to - from), address + from);
    *port = colon + 1;
}

/* A text for people, NULL = the address itself is fine. */
static const char *trouble_of(const char *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *info = NULL;
    char host[256];
    const char *port;
    if (strncmp(address, "unix:", 5) == 0)
        return "is its directory there and writable, and is nothing else of that name?";
    split(address, host, sizeof host, &port);
    int failed = getaddrinfo(host, port, &hints, &info);
    if (failed)
        return gai_strerror(failed);
    int error = try_bind(info);
    freeaddrinfo(info);
    if (error == EADDRINUSE)
        return "the port is in use: stop the program that has it, or choose another one";
    return error ? strerror(error) : NULL;
}

/* ---- Addresses ---- */

static gmq_status credentials_of(gmq_proxy *proxy, size_t index, grpc_server_credentials **out)
{
    const gmq__listen *row = &proxy->config->listens[index];
    if (!row->cert_file) {
        *out = grpc_insecure_server_credentials_create();
        return GMQ_OK;
    }
    gmq_status status =
        gmq__certificates_new(&proxy->certificates[index], row, proxy->user_queue, proxy->user_tag);
    if (status == GMQ_OK)
        *out = gmq__certificates_use(proxy->certificates[index]);
    return status;
}

static gmq_status refused(const gmq__listen *row)
{
    char text[512];
    const char *trouble = trouble_of(row->address);
    if (trouble)
        return fail(row->address, trouble);
    if (!row->cert_file)
        return fail(row->address, "gRPC refuses the address");
    snprintf(text, sizeof text,
             "the certificate %s and the key %s%s%s do not serve: do they belong together, and is "
             "each whole?",
             row->cert_file, row->key_file ? row->key_file : "in it",
             row->client_ca_file ? ", or the authorities " : "",
             row->client_ca_file ? row->client_ca_file : "");
    return fail(row->address, text);
}

static gmq_status add(gmq_proxy *proxy, size_t index)
{
    const gmq__listen *row = &proxy->config->listens[index];
    grpc_server_credentials *credentials = NULL;
    gmq_status status = credentials_of(proxy, index, &credentials);
    if (status != GMQ_OK)
        return status;
    int port = grpc_server_add_http2_port(proxy->server, row->address, credentials);
    grpc_server_credentials_release(credentials);
    if (port > 0) {
        proxy->ports[index] = strncmp(row->address, "unix:", 5) == 0 ? 0 : port;
        return GMQ_OK;
    }
    return refused(row);
}

gmq_status gmq__listen_open(gmq_proxy *proxy, int64_t receive_limit, int64_t metadata_limit)
{
    size_t count = proxy->config->listen_count;
    if (count == 0)
        return gmq_error_set(GMQ_E_INVALID, "the proxy has no address to listen on");
    proxy->ports = calloc(count, sizeof *proxy->ports);
    proxy->certificates = calloc(count, sizeof(gmq__certificates *));
    if (!proxy->ports || !proxy->certificates)
        return gmq_error_set(GMQ_E_NOMEM, "out of memory");
    proxy->port_count = count;
    proxy->server = server_make(receive_limit, metadata_limit);
    grpc_server_register_completion_queue(proxy->server, proxy->completions, NULL);
    gmq_status status = GMQ_OK;
    for (size_t i = 0; i < count && status == GMQ_OK; i++)
        status = add(proxy, i);
    return status;
}
