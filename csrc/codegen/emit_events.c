/* Clients for event loops: calls whose events go to the program's own queue. */
#include "codegen/emit.h"

static const char begin_with_head[] =
    "\n"
    "/* For a program with a queue of its own: starts the call on `client` and does not wait. Its\n"
    " * events carry `tag`; one reply may come, gmq_call_read() allows more. *out is yours:\n"
    " * gmq_call_unref(). `metadata` and `options` may be NULL. Errors: those of\n"
    " * gmq_call_start_with(). */\n"
    "gmq_status $method$__begin(\n"
    "    gmq_call **out, gmq_client *client, const $Request$ *request,\n"
    "    const gmq_metadata *metadata, int64_t timeout_ms, const gmq_options *options,\n"
    "    uint64_t tag);\n";

static const char begin_head[] =
    "\n"
    "/* For a program with a queue of its own: starts the call on `client` and does not wait. Its\n"
    " * events carry `tag`; one reply may come, gmq_call_read() allows more. *out is yours:\n"
    " * gmq_call_unref(). `metadata` and `options` may be NULL. Errors: those of\n"
    " * gmq_call_start(). */\n"
    "gmq_status $method$__begin(\n"
    "    gmq_call **out, gmq_client *client, const gmq_metadata *metadata, int64_t timeout_ms,\n"
    "    const gmq_options *options, uint64_t tag);\n"
    "/* Sends one message without waiting. Errors: those of gmq_call_send(); GMQ_E_AGAIN: nothing\n"
    " * was taken, go on after the WRITABLE event. gmq_call_half_close() when there are no more. "
    "*/\n"
    "gmq_status $method$__post(gmq_call *call, const $Request$ *request);\n";

static const char reply_of_head[] =
    "/* The reply in a MESSAGE event of such a call, yours to free. NULL: it does not parse. */\n"
    "$Reply$ *$method$__reply_of(const gmq_event *event);\n";

void gmq__emit_events_header(gmq__bytes *out, const gmq__gen_method *method,
                             const gmq__var vars[GMQ__METHOD_VARS])
{
    gmq__emit(out, gmq__needs_of(method) & GMQ__NEEDS_REQUESTS ? begin_head : begin_with_head,
              vars);
    gmq__emit(out, reply_of_head, vars);
}

static const char begin_with_helper[] =
    "\n"
    "static gmq_status stub_begin_with(gmq_call **out, gmq_client *client, const char *path,\n"
    "                                  gmq_rpc_kind kind, const ProtobufCMessage *request,\n"
    "                                  const gmq_metadata *metadata, int64_t timeout_ms,\n"
    "                                  const gmq_options *options, uint64_t tag)\n"
    "{\n"
    "    stub_bytes bytes;\n"
    "    gmq_status status = stub_pack(&bytes, request);\n"
    "    if (status != GMQ_OK)\n"
    "        return status;\n"
    "    status = gmq_call_start_with(out, client, path, kind, metadata, timeout_ms, options, "
    "tag,\n"
    "                                 bytes.data, bytes.len, 1);\n"
    "    free(bytes.data);\n"
    "    return status;\n"
    "}\n";

static const char begin_helper[] =
    "\n"
    "static gmq_status stub_begin(gmq_call **out, gmq_client *client, const char *path,\n"
    "                             gmq_rpc_kind kind, const gmq_metadata *metadata,\n"
    "                             int64_t timeout_ms, const gmq_options *options, uint64_t tag)\n"
    "{\n"
    "    gmq_status status =\n"
    "        gmq_call_start(out, client, path, kind, metadata, timeout_ms, options, tag);\n"
    "    if (status == GMQ_OK)\n"
    "        gmq_call_read(*out, 1); /* fails only where the call is over already */\n"
    "    return status;\n"
    "}\n";

static const char reply_of_helper[] =
    "\n"
    "static ProtobufCMessage *stub_reply_of(const ProtobufCMessageDescriptor *type,\n"
    "                                       const gmq_event *event)\n"
    "{\n"
    "    gmq_buf *bytes = event ? gmq_event_message(event) : NULL;\n"
    "    return bytes ? stub_unpack(type, bytes) : NULL;\n"
    "}\n";

void gmq__emit_events_helpers(gmq__bytes *out, unsigned needs)
{
    if (needs & GMQ__NEEDS_ONE_REQUEST)
        gmq__bytes_put_str(out, begin_with_helper);
    if (needs & GMQ__NEEDS_REQUESTS)
        gmq__bytes_put_str(out, begin_helper);
    if (needs & GMQ__NEEDS_ANY)
        gmq__bytes_put_str(out, reply_of_helper);
}

static const char begin_with_body[] =
    "\n"
    "gmq_status $method$__begin(\n"
    "    gmq_call **out, gmq_client *client, const $Request$ *request,\n"
    "    const gmq_metadata *metadata, int64_t timeout_ms, const gmq_options *options,\n"
    "    uint64_t tag)\n"
    "{\n"
    "    return stub_begin_with(out, client, \"$path$\", $kind$,\n"
    "                           (const ProtobufCMessage *)request, metadata, timeout_ms, options,\n"
    "                           tag);\n"
    "}\n";

static const char begin_body[] =
    "\n"
    "gmq_status $method$__begin(\n"
    "    gmq_call **out, gmq_client *client, const gmq_metadata *metadata, int64_t timeout_ms,\n"
    "    const gmq_options *options, uint64_t tag)\n"
    "{\n"
    "    return stub_begin(out, client, \"$path$\", $kind$, metadata,\n"
    "                      timeout_ms, options, tag);\n"
    "}\n"
    "\n"
    "gmq_status $method$__post(gmq_call *call, const $Request$ *request)\n"
    "{\n"
    "    return stub_write(call, (const ProtobufCMessage *)request);\n"
    "}\n";

static const char reply_of_body[] =
    "\n"
    "$Reply$ *$method$__reply_of(const gmq_event *event)\n"
    "{\n"
    "    return ($Reply$ *)stub_reply_of(&$reply$__descriptor, event);\n"
    "}\n";

void gmq__emit_events_source(gmq__bytes *out, const gmq__gen_method *method,
                             const gmq__var vars[GMQ__METHOD_VARS])
{
    gmq__emit(out, gmq__needs_of(method) & GMQ__NEEDS_REQUESTS ? begin_body : begin_with_body,
              vars);
    gmq__emit(out, reply_of_body, vars);
}
