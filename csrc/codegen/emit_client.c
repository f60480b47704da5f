#include "codegen/emit.h"

/* ---- The header: what a client calls ---- */

static const char unary_head[] =
    "\n"
    "/* $name$: one request, one reply.$comment$\n"
    " * Blocks until the call is over. *reply is the reply where gmq_rpc_code(rpc) is "
    "GMQ_CODE_OK;\n"
    " * otherwise NULL. An rpc is for one call. Errors: those of gmq_rpc_start_with(). */\n"
    "gmq_status $method$__call(\n"
    "    gmq_rpc *rpc, const $Request$ *request, $Reply$ **reply);\n";

static const char stream_type[] =
    "\n"
    "/* $name$: $what$.$comment$\n"
    " * A stream is a view of its rpc, which stays yours: gmq_rpc_free(). */\n"
    "typedef struct $Method$_Stream {\n"
    "    gmq_rpc *rpc;\n"
    "} $Method$_Stream;\n";

static const char start_with_head[] =
    "\n"
    "/* Starts the call with its request. Errors: those of gmq_rpc_start_with(). */\n"
    "gmq_status $method$__start(\n"
    "    $Method$_Stream *stream, gmq_rpc *rpc, const $Request$ *request);\n";

static const char start_head[] = "\n"
                                 "/* Starts the call. Errors: those of gmq_rpc_start(). */\n"
                                 "gmq_status $method$__start(\n"
                                 "    $Method$_Stream *stream, gmq_rpc *rpc);\n";

static const char send_head[] =
    "\n"
    "/* Sends one message; blocks while the send buffer is full. Errors: those of gmq_rpc_send();\n"
    " * GMQ_E_CLOSED: the call is over, __finish() tells how. */\n"
    "gmq_status $method$__send(\n"
    "    $Method$_Stream *stream, const $Request$ *request);\n"
    "\n"
    "/* Says that no more will be sent. */\n"
    "gmq_status $method$__close_send($Method$_Stream *stream);\n";

static const char recv_head[] =
    "\n"
    "/* Blocks until the next message has come. *reply is NULL when there are no more:\n"
    " * gmq_rpc_code(stream->rpc) says how the call ended. */\n"
    "gmq_status $method$__recv(\n"
    "    $Method$_Stream *stream, $Reply$ **reply);\n";

static const char cancel_head[] = "\n"
                                  "/* Cancels the call; any thread. */\n"
                                  "void $method$__cancel($Method$_Stream *stream);\n";

static const char finish_head[] =
    "\n"
    "/* Sends no more, drops what was not received, and blocks until the call is over. */\n"
    "gmq_status $method$__finish($Method$_Stream *stream);\n";

static const char finish_one_head[] =
    "\n"
    "/* Sends no more, and blocks until the call is over. *reply is the reply where\n"
    " * gmq_rpc_code(stream->rpc) is GMQ_CODE_OK; otherwise NULL. */\n"
    "gmq_status $method$__finish(\n"
    "    $Method$_Stream *stream, $Reply$ **reply);\n";

/* One more variable in front of those of the method. */
static void emit_with(gmq__bytes *out, const char *text, const gmq__var *extra, size_t count,
                      const gmq__var method[GMQ__METHOD_VARS])
{
    gmq__var vars[GMQ__METHOD_VARS + 2];
    for (size_t i = 0; i < count; i++)
        vars[i] = extra[i];
    for (size_t i = 0; i < GMQ__METHOD_VARS; i++)
        vars[count + i] = method[i];
    gmq__emit(out, text, vars);
}

static void put_method_head(gmq__bytes *out, const gmq__gen_method *method,
                            const gmq__var vars[GMQ__METHOD_VARS])
{
    static const char *const what[] = {"", "many requests, one reply", "one request, many replies",
                                       "many requests, many replies"};
    unsigned needs = gmq__needs_of(method);
    gmq__bytes comment = {0};
    if (*method->comment) {
        gmq__bytes_put_str(&comment, "\n * ");
        gmq__bytes_put_str(&comment, method->comment);
    }
    gmq__bytes_put_u8(&comment, 0);
    out->failed |= comment.failed;
    const gmq__var extra[] = {{"what", what[method->kind]},
                              {"comment", comment.failed ? "" : (const char *)comment.data}};
    emit_with(out, method->kind == GMQ_RPC_UNARY ? unary_head : stream_type, extra, 2, vars);
    gmq__bytes_free(&comment);
    if (method->kind == GMQ_RPC_UNARY)
        return;
    gmq__emit(out, needs & GMQ__NEEDS_REQUESTS ? start_head : start_with_head, vars);
    if (needs & GMQ__NEEDS_REQUESTS)
        gmq__emit(out, send_head, vars);
    if (needs & GMQ__NEEDS_REPLIES)
        gmq__emit(out, recv_head, vars);
    gmq__emit(out, cancel_head, vars);
    gmq__emit(out, needs & GMQ__NEEDS_REPLIES ? finish_head : finish_one_head, vars);
}

void gmq__emit_client_header(gmq__bytes *out, const gmq__gen_service *service)
{
    gmq__var vars[GMQ__METHOD_VARS];
    for (size_t i = 0; i < service->n_methods; i++) {
        gmq__method_vars(service, &service->methods[i], vars);
        put_method_head(out, &service->methods[i], vars);
        gmq__emit_events_header(out, &service->methods[i], vars);
    }
}

/* ---- The source ---- */

static const char pack_helper[] =
    "\n"
    "/* A message on its way out. */\n"
    "typedef struct stub_bytes {\n"
    "    uint8_t *data;\n"
    "    size_t len;\n"
    "} stub_bytes;\n"
    "\n"
    "static gmq_status stub_pack(stub_bytes *out, const ProtobufCMessage *message)\n"
    "{\n"
    "    if (!message || !message->descriptor)\n"
    "        return gmq_error_set(GMQ_E_INVALID, \"the message is NULL or was not initialised\");\n"
    "    out->data = (uint8_t *)malloc(protobuf_c_message_get_packed_size(message) + 1);\n"
    "    if (!out->data)\n"
    "        return gmq_error_set(GMQ_E_NOMEM, \"out of memory\");\n"
    "    out->len = protobuf_c_message_pack(message, out->data);\n"
    "    return GMQ_OK;\n"
    "}\n";

static const char recv_helper[] =
    "\n"
    "/* The next message, or NULL: there are no more. One that does not parse ends the call. */\n"
    "static gmq_status stub_recv(gmq_rpc *rpc, const ProtobufCMessageDescriptor *type,\n"
    "                            ProtobufCMessage **reply)\n"
    "{\n"
    "    gmq_buf *bytes = NULL;\n"
    "    gmq_status status = gmq_rpc_recv(rpc, &bytes);\n"
    "    *reply = NULL;\n"
    "    if (status != GMQ_OK || !bytes)\n"
    "        return status;\n"
    "    *reply = stub_unpack(type, bytes);\n"
    "    gmq_buf_unref(bytes);\n"
    "    if (*reply)\n"
    "        return GMQ_OK;\n"
    "    gmq_rpc_cancel_with(rpc, GMQ_CODE_INTERNAL, \"a reply does not parse\");\n"
    "    return gmq_rpc_finish(rpc);\n"
    "}\n";

static const char start_with_helper[] =
    "\n"
    "static gmq_status stub_start_with(gmq_rpc *rpc, const char *path, gmq_rpc_kind kind,\n"
    "                                  const ProtobufCMessage *request)\n"
    "{\n"
    "    stub_bytes bytes;\n"
    "    gmq_status status = stub_pack(&bytes, request);\n"
    "    if (status != GMQ_OK)\n"
    "        return status;\n"
    "    status = gmq_rpc_start_with(rpc, path, kind, bytes.data, bytes.len);\n"
    "    free(bytes.data);\n"
    "    return status;\n"
    "}\n";

static const char send_helper[] =
    "\n"
    "static gmq_status stub_send(gmq_rpc *rpc, const ProtobufCMessage *request)\n"
    "{\n"
    "    stub_bytes bytes;\n"
    "    gmq_status status = stub_pack(&bytes, request);\n"
    "    if (status != GMQ_OK)\n"
    "        return status;\n"
    "    status = gmq_rpc_send(rpc, bytes.data, bytes.len);\n"
    "    free(bytes.data);\n"
    "    return status;\n"
    "}\n";

static const char finish_one_helper[] =
    "\n"
    "/* The one reply and the end of the call. A reply is given only where the call ended OK. */\n"
    "static gmq_status stub_finish_one(gmq_rpc *rpc, const ProtobufCMessageDescriptor *type,\n"
    "                                  ProtobufCMessage **reply)\n"
    "{\n"
    "    gmq_status status = gmq_rpc_close_send(rpc);\n"
    "    if (status == GMQ_OK)\n"
    "        status = stub_recv(rpc, type, reply);\n"
    "    if (status == GMQ_OK)\n"
    "        status = gmq_rpc_finish(rpc);\n"
    "    if (status == GMQ_OK && !*reply)\n"
    "        gmq_rpc_cancel_with(rpc, GMQ_CODE_INTERNAL, \"the call ended without a reply\");\n"
    "    if (*reply && (status != GMQ_OK || gmq_rpc_code(rpc) != GMQ_CODE_OK)) {\n"
    "        protobuf_c_message_free_unpacked(*reply, NULL);\n"
    "        *reply = NULL;\n"
    "    }\n"
    "    return status;\n"
    "}\n";

void gmq__emit_client_helpers(gmq__bytes *out, unsigned needs)
{
    if (!(needs & GMQ__NEEDS_ANY))
        return;
    gmq__bytes_put_str(out, pack_helper);
    gmq__bytes_put_str(out, recv_helper);
    if (needs & GMQ__NEEDS_ONE_REQUEST)
        gmq__bytes_put_str(out, start_with_helper);
    if (needs & GMQ__NEEDS_REQUESTS)
        gmq__bytes_put_str(out, send_helper);
    if (needs & GMQ__NEEDS_ONE_REPLY)
        gmq__bytes_put_str(out, finish_one_helper);
}

static const char unary_body[] =
    "\n"
    "gmq_status $method$__call(\n"
    "    gmq_rpc *rpc, const $Request$ *request, $Reply$ **reply)\n"
    "{\n"
    "    ProtobufCMessage *message = NULL;\n"
    "    gmq_status status;\n"
    "    if (!reply)\n"
    "        return gmq_error_set(GMQ_E_INVALID, \"reply is NULL\");\n"
    "    *reply = NULL;\n"
    "    status = stub_start_with(rpc, \"$path$\", $kind$,\n"
    "                             (const ProtobufCMessage *)request);\n"
    "    if (status == GMQ_OK)\n"
    "        status = stub_finish_one(rpc, &$reply$__descriptor, &message);\n"
    "    *reply = ($Reply$ *)message;\n"
    "    return status;\n"
    "}\n";

static const char check_stream[] =
    "    if (!stream)\n"
    "        return gmq_error_set(GMQ_E_INVALID, \"stream is NULL\");\n";

static const char start_with_body[] =
    "\n"
    "gmq_status $method$__start(\n"
    "    $Method$_Stream *stream, gmq_rpc *rpc, const $Request$ *request)\n"
    "{\n"
    "$check$"
    "    stream->rpc = rpc;\n"
    "    return stub_start_with(rpc, \"$path$\", $kind$,\n"
    "                           (const ProtobufCMessage *)request);\n"
    "}\n";

static const char start_body[] = "\n"
                                 "gmq_status $method$__start(\n"
                                 "    $Method$_Stream *stream, gmq_rpc *rpc)\n"
                                 "{\n"
                                 "$check$"
                                 "    stream->rpc = rpc;\n"
                                 "    return gmq_rpc_start(rpc, \"$path$\", $kind$);\n"
                                 "}\n";

static const char send_body[] =
    "\n"
    "gmq_status $method$__send(\n"
    "    $Method$_Stream *stream, const $Request$ *request)\n"
    "{\n"
    "$check$"
    "    return stub_send(stream->rpc, (const ProtobufCMessage *)request);\n"
    "}\n"
    "\n"
    "gmq_status $method$__close_send($Method$_Stream *stream)\n"
    "{\n"
    "$check$"
    "    return gmq_rpc_close_send(stream->rpc);\n"
    "}\n";

static const char recv_body[] =
    "\n"
    "gmq_status $method$__recv(\n"
    "    $Method$_Stream *stream, $Reply$ **reply)\n"
    "{\n"
    "    ProtobufCMessage *message;\n"
    "    gmq_status status;\n"
    "    if (!stream || !reply)\n"
    "        return gmq_error_set(GMQ_E_INVALID, \"stream or reply is NULL\");\n"
    "    status = stub_recv(stream->rpc, &$reply$__descriptor, &message);\n"
    "    *reply = ($Reply$ *)message;\n"
    "    return status;\n"
    "}\n";

static const char cancel_body[] = "\n"
                                  "void $method$__cancel($Method$_Stream *stream)\n"
                                  "{\n"
                                  "    if (stream)\n"
                                  "        gmq_rpc_cancel(stream->rpc);\n"
                                  "}\n";

static const char finish_body[] = "\n"
                                  "gmq_status $method$__finish($Method$_Stream *stream)\n"
                                  "{\n"
                                  "$check$"
                                  "    return gmq_rpc_finish(stream->rpc);\n"
                                  "}\n";

static const char finish_one_body[] =
    "\n"
    "gmq_status $method$__finish(\n"
    "    $Method$_Stream *stream, $Reply$ **reply)\n"
    "{\n"
    "    ProtobufCMessage *message = NULL;\n"
    "    gmq_status status;\n"
    "    if (!stream || !reply)\n"
    "        return gmq_error_set(GMQ_E_INVALID, \"stream or reply is NULL\");\n"
    "    status = stub_finish_one(stream->rpc, &$reply$__descriptor, &message);\n"
    "    *reply = ($Reply$ *)message;\n"
    "    return status;\n"
    "}\n";

static void put_method_body(gmq__bytes *out, const gmq__gen_method *method,
                            const gmq__var vars[GMQ__METHOD_VARS])
{
    const gmq__var check[] = {{"check", check_stream}};
    unsigned needs = gmq__needs_of(method);
    if (method->kind == GMQ_RPC_UNARY) {
        gmq__emit(out, unary_body, vars);
        return;
    }
    emit_with(out, needs & GMQ__NEEDS_REQUESTS ? start_body : start_with_body, check, 1, vars);
    if (needs & GMQ__NEEDS_REQUESTS)
        emit_with(out, send_body, check, 1, vars);
    if (needs & GMQ__NEEDS_REPLIES)
        gmq__emit(out, recv_body, vars);
    gmq__emit(out, cancel_body, vars);
    emit_with(out, needs & GMQ__NEEDS_REPLIES ? finish_body : finish_one_body, check, 1, vars);
}

void gmq__emit_client_source(gmq__bytes *out, const gmq__gen_service *service)
{
    gmq__var vars[GMQ__METHOD_VARS];
    for (size_t i = 0; i < service->n_methods; i++) {
        gmq__method_vars(service, &service->methods[i], vars);
        put_method_body(out, &service->methods[i], vars);
        gmq__emit_events_source(out, &service->methods[i], vars);
    }
}
