#include "codegen/emit.h"

#include <stdio.h>

/* ---- The header: what a server is made of ---- */

static const char call_head[] =
    "\n"
    "/* What the calls of all methods of $service$ have in common. It is there until `finished`\n"
    " * has returned, and as long as somebody holds a reference.\n"
    " * `call` is for the functions of <grpc_mqtt/call.h>: gmq_call_finish() ends the call with "
    "any\n"
    " * status, gmq_call_read() asks for one more request, gmq_call_time_remaining_ms() and so on. "
    "*/\n"
    "typedef struct $Service$_Call {\n"
    "    gmq_call *call;               /* borrowed */\n"
    "    const gmq_metadata *metadata; /* of the request; NULL: none; borrowed */\n"
    "    void *data;                   /* yours; NULL at first */\n"
    "    size_t place;                 /* not yours, and nor is what follows */\n"
    "    int method, asked, refs;\n"
    "} $Service$_Call;\n"
    "\n"
    "/* To hold a call beyond `finished`: for another thread, which may answer it and then learns\n"
    " * that it is over (GMQ_E_CLOSED). Any thread. */\n"
    "$Service$_Call *$svc$_call__ref($Service$_Call *call);\n"
    "void $svc$_call__unref(\n"
    "    $Service$_Call *call); /* NULL is fine */\n";

static const char method_call_head[] =
    "\n"
    "/* A call of $name$ being served. Any thread may answer it, now or later. */\n"
    "typedef struct $Method$_Call {\n"
    "    $Service$_Call base;\n"
    "} $Method$_Call;\n";

static const char reply_head[] =
    "\n"
    "/* Answers with `reply` and ends the call OK. Where that cannot be done the call ends "
    "INTERNAL.\n"
    " * Errors: GMQ_E_CLOSED (the client is gone), GMQ_E_STATE (answered already), others. */\n"
    "gmq_status $method$__reply(\n"
    "    $Method$_Call *call, const $Reply$ *reply);\n"
    "\n"
    "/* Sends the reply alone, for a gmq_call_finish() with trailing metadata behind it. */\n";

static const char write_head[] = "\n"
                                 "/* Sends one message. Errors: those of gmq_call_send(); "
                                 "GMQ_E_AGAIN: nothing was taken, go on\n"
                                 " * when `writable` is called. */\n";

static const char write_decl[] = "gmq_status $method$__write(\n"
                                 "    $Method$_Call *call, const $Reply$ *reply);\n";

static const char handlers_open[] =
    "\n"
    "/* What serves $service$. Each function is called by $svc$_server__serve_event(), on the\n"
    " * thread that calls that; `self` is the pointer given to $svc$_server__new(). A method "
    "whose\n"
    " * `request` is NULL is answered UNIMPLEMENTED; the other functions may be NULL.\n"
    " *   started      a call has come, nothing of its stream yet\n"
    " *   request      a request has come; it is yours to free. Where the client streams, ask for "
    "the\n"
    " *                next one by gmq_call_read(call->base.call, 1) when you want it\n"
    " *   half_closed  the client has sent everything\n"
    " *   writable     after GMQ_E_AGAIN: there is room again\n"
    " *   finished     the call is over, however it ended; `call` is gone afterwards */\n"
    "typedef struct $Service$_Handlers {\n";

static const char handlers_close[] = "} $Service$_Handlers;\n";

static const char server_head[] =
    "\n"
    "/* Handlers and the calls that they serve. One thread at a time uses it. */\n"
    "typedef struct $Service$_Server $Service$_Server;\n"
    "\n"
    "/* Copies `handlers`. Errors: GMQ_E_INVALID, GMQ_E_NOMEM. */\n"
    "gmq_status $svc$_server__new(\n"
    "    $Service$_Server **out, const $Service$_Handlers *handlers, void *self);\n"
    "\n"
    "/* Cancels the calls that are left, with `finished` for each. NULL is fine. Not from a "
    "handler.\n"
    " */\n"
    "void $svc$_server__free($Service$_Server *server);\n"
    "\n"
    "/* Does what an event of a queue asks for, if it is about a call of this service: 1; "
    "otherwise\n"
    " * 0. The event stays yours: gmq_event_free(). */\n"
    "int $svc$_server__serve_event(\n"
    "    $Service$_Server *server, gmq_event *event);\n";

static void put_handlers_of(gmq__bytes *out, const gmq__gen_method *method, const gmq__var *vars)
{
    unsigned needs = gmq__needs_of(method);
    gmq__bytes_put_str(out, "    struct {\n");
    if (needs & GMQ__NEEDS_REQUESTS)
        gmq__emit(out, "        void (*started)(void *self, $Method$_Call *call);\n", vars);
    gmq__emit(out,
              "        void (*request)(void *self, $Method$_Call *call, $Request$ *request);\n",
              vars);
    if (needs & GMQ__NEEDS_REQUESTS)
        gmq__emit(out, "        void (*half_closed)(void *self, $Method$_Call *call);\n", vars);
    if (needs & GMQ__NEEDS_REPLIES)
        gmq__emit(out, "        void (*writable)(void *self, $Method$_Call *call);\n", vars);
    gmq__emit(out,
              "        void (*finished)(void *self, $Method$_Call *call);\n"
              "    } $member$;\n",
              vars);
}

void gmq__emit_server_header(gmq__bytes *out, const gmq__gen_service *service)
{
    gmq__var service_vars[GMQ__SERVICE_VARS], vars[GMQ__METHOD_VARS];
    gmq__service_vars(service, service_vars);
    gmq__emit(out, call_head, service_vars);
    for (size_t i = 0; i < service->n_methods; i++) {
        const gmq__gen_method *method = &service->methods[i];
        gmq__method_vars(service, method, vars);
        gmq__emit(out, method_call_head, vars);
        gmq__emit(out, gmq__needs_of(method) & GMQ__NEEDS_ONE_REPLY ? reply_head : write_head,
                  vars);
        gmq__emit(out, write_decl, vars);
    }
    gmq__emit(out, handlers_open, service_vars);
    for (size_t i = 0; i < service->n_methods; i++) {
        gmq__method_vars(service, &service->methods[i], vars);
        put_handlers_of(out, &service->methods[i], vars);
    }
    if (!service->n_methods)
        gmq__bytes_put_str(out, "    int unused; /* the service has no methods */\n");
    gmq__emit(out, handlers_close, service_vars);
    gmq__emit(out, server_head, service_vars);
}

/* ---- The source ---- */

static const char table_helper[] =
    "\n"
    "/* Calls being served. The tag of a call is its place here. A place whose call is NULL is "
    "free,\n"
    " * and leads to the next free one; the last leads to the end of the table. */\n"
    "typedef struct stub_place {\n"
    "    gmq_call *call;\n"
    "    void *item;\n"
    "    size_t next_free;\n"
    "} stub_place;\n"
    "\n"
    "typedef struct stub_table {\n"
    "    stub_place *places;\n"
    "    size_t len, first_free;\n"
    "} stub_table;\n"
    "\n"
    "static int stub_table_grow(stub_table *table)\n"
    "{\n"
    "    size_t len = table->len ? 2 * table->len : 8;\n"
    "    stub_place *places = (stub_place *)realloc(table->places, len * sizeof *places);\n"
    "    if (!places)\n"
    "        return 0;\n"
    "    memset(places + table->len, 0, (len - table->len) * sizeof *places);\n"
    "    for (size_t at = table->len; at < len; at++)\n"
    "        places[at].next_free = at + 1;\n"
    "    table->places = places;\n"
    "    table->len = len;\n"
    "    return 1;\n"
    "}\n";

static const char table_use_helper[] =
    "\n"
    "static int stub_table_add(stub_table *table, gmq_call *call, void *item, size_t *place)\n"
    "{\n"
    "    if (table->first_free == table->len && !stub_table_grow(table))\n"
    "        return 0;\n"
    "    *place = table->first_free;\n"
    "    table->first_free = table->places[*place].next_free;\n"
    "    table->places[*place].call = call;\n"
    "    table->places[*place].item = item;\n"
    "    return 1;\n"
    "}\n"
    "\n"
    "static void stub_table_remove(stub_table *table, size_t place)\n"
    "{\n"
    "    table->places[place].call = NULL;\n"
    "    table->places[place].item = NULL;\n"
    "    table->places[place].next_free = table->first_free;\n"
    "    table->first_free = place;\n"
    "}\n"
    "\n"
    "/* What stands there for the call of an event; NULL: the call is none of ours. */\n"
    "static void *stub_table_find(const stub_table *table, const gmq_event *event)\n"
    "{\n"
    "    gmq_call *call = gmq_event_call(event);\n"
    "    uint64_t tag = gmq_event_tag(event);\n"
    "    if (!call || tag >= table->len || table->places[tag].call != call)\n"
    "        return NULL;\n"
    "    return table->places[tag].item;\n"
    "}\n";

static const char metadata_helper[] =
    "\n"
    "static gmq_status stub_copy_metadata(gmq_metadata **out, const gmq_metadata *from)\n"
    "{\n"
    "    size_t count = gmq_metadata_count(from);\n"
    "    gmq_status status = count ? gmq_metadata_new(out) : GMQ_OK;\n"
    "    for (size_t i = 0; status == GMQ_OK && i < count; i++) {\n"
    "        size_t len;\n"
    "        const void *value = gmq_metadata_value(from, i, &len);\n"
    "        status = gmq_metadata_add(*out, gmq_metadata_key(from, i), value, len);\n"
    "    }\n"
    "    return status;\n"
    "}\n";

static const char write_helper[] =
    "\n"
    "static gmq_status stub_write(gmq_call *call, const ProtobufCMessage *reply)\n"
    "{\n"
    "    stub_bytes bytes;\n"
    "    gmq_status status = stub_pack(&bytes, reply);\n"
    "    if (status != GMQ_OK)\n"
    "        return status;\n"
    "    status = gmq_call_send(call, bytes.data, bytes.len);\n"
    "    free(bytes.data);\n"
    "    return status;\n"
    "}\n";

static const char reply_helper[] =
    "\n"
    "static gmq_status stub_reply(gmq_call *call, const ProtobufCMessage *reply)\n"
    "{\n"
    "    gmq_status status = stub_write(call, reply);\n"
    "    if (status == GMQ_OK)\n"
    "        return gmq_call_finish(call, GMQ_CODE_OK, NULL, NULL);\n"
    "    if (status != GMQ_E_CLOSED && status != GMQ_E_STATE)\n"
    "        gmq_call_finish(call, GMQ_CODE_INTERNAL, \"the reply could not be sent\", NULL);\n"
    "    return status;\n"
    "}\n";

void gmq__emit_server_helpers(gmq__bytes *out, unsigned needs)
{
    gmq__bytes_put_str(out, table_helper);
    gmq__bytes_put_str(out, table_use_helper);
    gmq__bytes_put_str(out, metadata_helper);
    if (needs & GMQ__NEEDS_ANY)
        gmq__bytes_put_str(out, write_helper);
    if (needs & GMQ__NEEDS_ONE_REPLY)
        gmq__bytes_put_str(out, reply_helper);
}

static const char server_struct[] =
    "\n"
    "struct $Service$_Server {\n"
    "    $Service$_Handlers handlers;\n"
    "    void *self;\n"
    "    stub_table calls; /* $Service$_Call; from the CALL event to the FINISHED one */\n"
    "};\n";

static const char event_open[] =
    "\n"
    "/* 0: there is no handler. */\n"
    "static int $method$__on_event($Service$_Server *server, $Service$_Call *base,\n"
    "                              int32_t type, ProtobufCMessage *request)\n"
    "{\n"
    "    $Method$_Call *call = ($Method$_Call *)base;\n"
    "    if (!server->handlers.$member$.request)\n"
    "        return 0;\n"
    "    if (type == GMQ_EVENT_MESSAGE)\n"
    "        server->handlers.$member$.request(server->self, call, ($Request$ *)request);\n";

static const char event_case[] =
    "    else if (type == $event$ && server->handlers.$member$.$handler$)\n"
    "        server->handlers.$member$.$handler$(server->self, call);\n";

static void put_case(gmq__bytes *out, const gmq__gen_method *method, const char *event,
                     const char *handler)
{
    const gmq__var vars[] = {
        {"event", event}, {"handler", handler}, {"member", method->member}, {NULL, NULL}};
    gmq__emit(out, event_case, vars);
}

static const char reply_body[] =
    "\n"
    "gmq_status $method$__reply(\n"
    "    $Method$_Call *call, const $Reply$ *reply)\n"
    "{\n"
    "    if (!call)\n"
    "        return gmq_error_set(GMQ_E_INVALID, \"call is NULL\");\n"
    "    return stub_reply(call->base.call, (const ProtobufCMessage *)reply);\n"
    "}\n";

static const char write_body[] =
    "\n"
    "gmq_status $method$__write(\n"
    "    $Method$_Call *call, const $Reply$ *reply)\n"
    "{\n"
    "    if (!call)\n"
    "        return gmq_error_set(GMQ_E_INVALID, \"call is NULL\");\n"
    "    return stub_write(call->base.call, (const ProtobufCMessage *)reply);\n"
    "}\n";

static void put_method(gmq__bytes *out, const gmq__gen_service *service,
                       const gmq__gen_method *method)
{
    unsigned needs = gmq__needs_of(method);
    gmq__var vars[GMQ__METHOD_VARS];
    gmq__method_vars(service, method, vars);
    if (needs & GMQ__NEEDS_ONE_REPLY)
        gmq__emit(out, reply_body, vars);
    gmq__emit(out, write_body, vars);
    gmq__emit(out, event_open, vars);
    if (needs & GMQ__NEEDS_REQUESTS) {
        put_case(out, method, "GMQ_EVENT_CALL", "started");
        put_case(out, method, "GMQ_EVENT_HALF_CLOSED", "half_closed");
    }
    if (needs & GMQ__NEEDS_REPLIES)
        put_case(out, method, "GMQ_EVENT_WRITABLE", "writable");
    put_case(out, method, "GMQ_EVENT_FINISHED", "finished");
    gmq__bytes_put_str(out, "    return 1;\n}\n");
}

static const char methods_open[] =
    "\n"
    "static const struct {\n"
    "    const char *path; /* NULL: the end */\n"
    "    const ProtobufCMessageDescriptor *request;\n"
    "    gmq_rpc_kind kind;\n"
    "    int (*event)($Service$_Server *server, $Service$_Call *call, int32_t type,\n"
    "                 ProtobufCMessage *request);\n"
    "} $svc$_table[] = {\n";

static const char methods_row[] = "    {\"$path$\", &$request$__descriptor, $kind$,\n"
                                  "     $method$__on_event},\n";

static void put_table(gmq__bytes *out, const gmq__gen_service *service)
{
    gmq__var service_vars[GMQ__SERVICE_VARS];
    gmq__service_vars(service, service_vars);
    gmq__emit(out, methods_open, service_vars);
    for (size_t i = 0; i < service->n_methods; i++) {
        gmq__var vars[GMQ__METHOD_VARS];
        gmq__method_vars(service, &service->methods[i], vars);
        gmq__emit(out, methods_row, vars);
    }
    gmq__bytes_put_str(out, "    {NULL, NULL, GMQ_RPC_UNARY, NULL},\n};\n");
}

static const char call_body[] =
    "\n"
    "$Service$_Call *$svc$_call__ref($Service$_Call *call)\n"
    "{\n"
    "    __atomic_fetch_add(&call->refs, 1, __ATOMIC_RELAXED);\n"
    "    return call;\n"
    "}\n"
    "\n"
    "void $svc$_call__unref($Service$_Call *call)\n"
    "{\n"
    "    if (!call || __atomic_sub_fetch(&call->refs, 1, __ATOMIC_ACQ_REL))\n"
    "        return;\n"
    "    gmq_call_unref(call->call);\n"
    "    gmq_metadata_free((gmq_metadata *)call->metadata);\n"
    "    free(call);\n"
    "}\n"
    "\n"
    "/* A call that has its place. NULL: out of memory. */\n"
    "static $Service$_Call *$svc$_new_call($Service$_Server *server, gmq_event *event)\n"
    "{\n"
    "    $Service$_Call *call = ($Service$_Call *)calloc(1, sizeof *call);\n"
    "    gmq_metadata *metadata = NULL;\n"
    "    if (!call)\n"
    "        return NULL;\n"
    "    if (stub_copy_metadata(&metadata, gmq_event_metadata(event)) == GMQ_OK &&\n"
    "        stub_table_add(&server->calls, gmq_event_call(event), call, &call->place)) {\n"
    "        call->metadata = metadata;\n"
    "        call->refs = 1;\n"
    "        return call;\n"
    "    }\n"
    "    gmq_metadata_free(metadata);\n"
    "    free(call);\n"
    "    return NULL;\n"
    "}\n";

static const char accept_body[] =
    "\n"
    "static int $svc$_accept($Service$_Server *server, gmq_event *event)\n"
    "{\n"
    "    $Service$_Call *call;\n"
    "    gmq_call *taken;\n"
    "    int method = 0;\n"
    "    while ($svc$_table[method].path &&\n"
    "           strcmp($svc$_table[method].path, gmq_event_text(event)) != 0)\n"
    "        method++;\n"
    "    if (!$svc$_table[method].path || !(taken = gmq_event_take_call(event)))\n"
    "        return 0;\n"
    "    call = $svc$_new_call(server, event);\n"
    "    if (!call) {\n"
    "        gmq_call_finish(taken, GMQ_CODE_RESOURCE_EXHAUSTED, \"out of memory\", NULL);\n"
    "        gmq_call_unref(taken);\n"
    "        return 1;\n"
    "    }\n"
    "    call->call = taken;\n"
    "    call->method = method;\n"
    "    gmq_call_set_tag(taken, call->place);\n"
    "    if (gmq_call_kind(taken) < 0) /* offered, see option unknown_methods */\n"
    "        gmq_call_resolve(taken, $svc$_table[method].kind);\n"
    "    if ($svc$_table[method].event(server, call, GMQ_EVENT_CALL, NULL))\n"
    "        gmq_call_read(taken, 1);\n"
    "    else\n"
    "        gmq_call_finish(taken, GMQ_CODE_UNIMPLEMENTED, \"the method has no handler\", NULL);\n"
    "    return 1;\n"
    "}\n"
    "\n"
    "static void $svc$_request($Service$_Server *server, $Service$_Call *call,\n"
    "                          gmq_buf *bytes)\n"
    "{\n"
    "    ProtobufCMessage *request = stub_unpack($svc$_table[call->method].request, bytes);\n"
    "    call->asked = 1;\n"
    "    if (!request)\n"
    "        gmq_call_finish(call->call, GMQ_CODE_INTERNAL, \"a request does not parse\", NULL);\n"
    "    else if (!$svc$_table[call->method].event(server, call, GMQ_EVENT_MESSAGE, request))\n"
    "        protobuf_c_message_free_unpacked(request, NULL);\n"
    "}\n";

static const char server_body[] =
    "\n"
    "gmq_status $svc$_server__new(\n"
    "    $Service$_Server **out, const $Service$_Handlers *handlers, void *self)\n"
    "{\n"
    "    $Service$_Server *server;\n"
    "    if (!out || !handlers)\n"
    "        return gmq_error_set(GMQ_E_INVALID, \"out or handlers is NULL\");\n"
    "    server = ($Service$_Server *)calloc(1, sizeof *server);\n"
    "    if (!server)\n"
    "        return gmq_error_set(GMQ_E_NOMEM, \"out of memory\");\n"
    "    server->handlers = *handlers;\n"
    "    server->self = self;\n"
    "    *out = server;\n"
    "    return GMQ_OK;\n"
    "}\n"
    "\n"
    "static void $svc$_end($Service$_Server *server, $Service$_Call *call)\n"
    "{\n"
    "    stub_table_remove(&server->calls, call->place);\n"
    "    $svc$_table[call->method].event(server, call, GMQ_EVENT_FINISHED, NULL);\n"
    "    $svc$_call__unref(call);\n"
    "}\n"
    "\n"
    "void $svc$_server__free($Service$_Server *server)\n"
    "{\n"
    "    if (!server)\n"
    "        return;\n"
    "    for (size_t at = 0; at < server->calls.len; at++) {\n"
    "        $Service$_Call *call = ($Service$_Call *)server->calls.places[at].item;\n"
    "        if (!call)\n"
    "            continue;\n"
    "        gmq_call_cancel(call->call);\n"
    "        $svc$_end(server, call);\n"
    "    }\n"
    "    free(server->calls.places);\n"
    "    free(server);\n"
    "}\n";

static const char serve_body[] =
    "\n"
    "static int $svc$_takes_one(const $Service$_Call *call)\n"
    "{\n"
    "    return !($svc$_table[call->method].kind & GMQ_RPC_CLIENT_STREAMING);\n"
    "}\n"
    "\n"
    "int $svc$_server__serve_event(\n"
    "    $Service$_Server *server, gmq_event *event)\n"
    "{\n"
    "    $Service$_Call *call;\n"
    "    int32_t type;\n"
    "    if (!server || !event)\n"
    "        return 0;\n"
    "    type = gmq_event_type_of(event);\n"
    "    if (type == GMQ_EVENT_CALL)\n"
    "        return $svc$_accept(server, event);\n"
    "    call = ($Service$_Call *)stub_table_find(&server->calls, event);\n"
    "    if (!call)\n"
    "        return 0;\n"
    "    if (type == GMQ_EVENT_MESSAGE)\n"
    "        $svc$_request(server, call, gmq_event_message(event));\n"
    "    else if (type == GMQ_EVENT_FINISHED)\n"
    "        $svc$_end(server, call);\n"
    "    else if (type == GMQ_EVENT_HALF_CLOSED && $svc$_takes_one(call) &&\n"
    "             !call->asked)\n"
    "        gmq_call_finish(call->call, GMQ_CODE_INTERNAL, \"the call has no request\", NULL);\n"
    "    else\n"
    "        $svc$_table[call->method].event(server, call, type, NULL);\n"
    "    return 1;\n"
    "}\n";

void gmq__emit_server_source(gmq__bytes *out, const gmq__gen_service *service)
{
    gmq__var vars[GMQ__SERVICE_VARS];
    gmq__service_vars(service, vars);
    gmq__emit(out, server_struct, vars);
    for (size_t i = 0; i < service->n_methods; i++)
        put_method(out, service, &service->methods[i]);
    put_table(out, service);
    gmq__emit(out, call_body, vars);
    gmq__emit(out, accept_body, vars);
    gmq__emit(out, server_body, vars);
    gmq__emit(out, serve_body, vars);
}
