#include "codegen/emit.h"

#include <stdio.h>
#include <string.h>

void gmq__service_vars(const gmq__gen_service *service, gmq__var vars[GMQ__SERVICE_VARS])
{
    const gmq__var list[GMQ__SERVICE_VARS] = {
        {"service", service->full_name},
        {"Service", service->type},
        {"svc", service->lower},
        {NULL, NULL},
    };
    memcpy(vars, list, sizeof list);
}

void gmq__method_vars(const gmq__gen_service *service, const gmq__gen_method *method,
                      gmq__var vars[GMQ__METHOD_VARS])
{
    static const char *const kinds[] = {"GMQ_RPC_UNARY", "GMQ_RPC_CLIENT_STREAMING",
                                        "GMQ_RPC_SERVER_STREAMING", "GMQ_RPC_BIDI_STREAMING"};
    const gmq__var list[GMQ__METHOD_VARS] = {
        {"service", service->full_name},
        {"Service", service->type},
        {"svc", service->lower},
        {"name", method->name},
        {"path", method->path},
        {"Method", method->type},
        {"method", method->lower},
        {"member", method->member},
        {"kind", kinds[method->kind]},
        {"Request", method->request.type},
        {"request", method->request.lower},
        {"request_name", method->request.full_name},
        {"Reply", method->reply.type},
        {"reply", method->reply.lower},
        {"reply_name", method->reply.full_name},
        {NULL, NULL},
    };
    memcpy(vars, list, sizeof list);
}

unsigned gmq__needs_of(const gmq__gen_method *method)
{
    bool requests = (unsigned)method->kind & (unsigned)GMQ_RPC_CLIENT_STREAMING;
    bool replies = (unsigned)method->kind & (unsigned)GMQ_RPC_SERVER_STREAMING;
    return GMQ__NEEDS_ANY | (unsigned)(replies ? GMQ__NEEDS_REPLIES : GMQ__NEEDS_ONE_REPLY) |
           (unsigned)(requests ? GMQ__NEEDS_REQUESTS : GMQ__NEEDS_ONE_REQUEST);
}

static const char head_text[] =
    "/* Made by protoc-gen-grpc-mqtt-c from $file$: to be made again, not to be edited.\n"
    " *\n"
    " * A function that returns a gmq_status fails for misuse, want of memory, or because its\n"
    " * call is over (GMQ_E_CLOSED). How a call went is another matter: a gRPC status with "
    "details.\n"
    " * Messages that you give to a function stay yours. Messages that a function gives you, and\n"
    " * requests that your handlers are given, are yours to free: <message>__free_unpacked(m, "
    "NULL)\n"
    " * or, where a nested message has none, protobuf_c_message_free_unpacked(&m->base, NULL).\n"
    " */\n"
    "#ifndef GRPC_MQTT_$ident$__INCLUDED\n"
    "#define GRPC_MQTT_$ident$__INCLUDED\n"
    "\n"
    "#include <grpc_mqtt/grpc_mqtt.h>\n"
    "\n"
    "#include \"$stem$.pb-c.h\"\n"
    "\n"
    "#ifdef __cplusplus\n"
    "extern \"C\" {\n"
    "#endif\n"
    "\n"
    "/* Adds the methods of all services of $file$ with their options to a method map: for\n"
    " * gmq_server_new(), and for gmq_channel_new() and gmq_client_new() where methods have "
    "options.\n"
    " * Errors: those of gmq_method_map_add_descriptors(). */\n"
    "gmq_status grpc_mqtt__$ident$__add_methods(gmq_method_map *map);\n";

static const char tail_text[] = "\n"
                                "#ifdef __cplusplus\n"
                                "}\n"
                                "#endif\n"
                                "#endif\n";

static const char methods_head_text[] = "\n"
                                        "/* The methods of $service$ alone. */\n"
                                        "gmq_status $svc$_methods__add(gmq_method_map *map);\n";

static void put_comment(gmq__bytes *out, const char *what, const char *name, const char *comment)
{
    gmq__bytes_put_str(out, "\n/* ---- ");
    gmq__bytes_put_str(out, what);
    gmq__bytes_put_str(out, name);
    gmq__bytes_put_str(out, " ----");
    if (*comment) {
        gmq__bytes_put_str(out, "\n * ");
        gmq__bytes_put_str(out, comment);
    }
    gmq__bytes_put_str(out, " */\n");
}

void gmq__emit_header(gmq__bytes *out, const gmq__gen_file *file)
{
    const gmq__var vars[] = {
        {"file", file->name}, {"ident", file->ident}, {"stem", file->stem}, {NULL, NULL}};
    gmq__emit(out, head_text, vars);
    for (size_t i = 0; i < file->n_services; i++) {
        const gmq__gen_service *service = &file->services[i];
        gmq__var service_vars[GMQ__SERVICE_VARS];
        gmq__service_vars(service, service_vars);
        put_comment(out, "service ", service->full_name, service->comment);
        gmq__emit(out, methods_head_text, service_vars);
        gmq__emit_client_header(out, service);
        gmq__emit_server_header(out, service);
    }
    gmq__emit(out, tail_text, vars);
}

static const char unpack_helper[] =
    "\n"
    "static ProtobufCMessage *stub_unpack(const ProtobufCMessageDescriptor *type, gmq_buf *bytes)\n"
    "{\n"
    "    return protobuf_c_message_unpack(type, NULL, gmq_buf_len(bytes),\n"
    "                                     (const uint8_t *)gmq_buf_data(bytes));\n"
    "}\n";

static void put_bytes(gmq__bytes *out, gmq__span bytes)
{
    char number[8];
    for (size_t i = 0; i < bytes.len; i++) {
        snprintf(number, sizeof number, "0x%02x,", bytes.data[i]);
        gmq__bytes_put_str(out, i % 16 ? " " : i ? "\n    " : "    ");
        gmq__bytes_put_str(out, number);
    }
    gmq__bytes_put_str(out, "\n");
}

static void put_methods(gmq__bytes *out, const gmq__gen_service *service)
{
    gmq__var vars[GMQ__SERVICE_VARS];
    gmq__service_vars(service, vars);
    gmq__emit(out,
              "\n"
              "/* A google.protobuf.FileDescriptorSet: the service with the options that hold for "
              "it. */\n"
              "static const uint8_t $svc$_descriptors[] = {\n",
              vars);
    put_bytes(out, service->descriptors);
    gmq__emit(out,
              "};\n"
              "\n"
              "gmq_status $svc$_methods__add(gmq_method_map *map)\n"
              "{\n"
              "    return gmq_method_map_add_descriptors(map, $svc$_descriptors,\n"
              "                                          sizeof $svc$_descriptors);\n"
              "}\n",
              vars);
}

static void put_all_methods(gmq__bytes *out, const gmq__gen_file *file)
{
    const gmq__var vars[] = {{"ident", file->ident}, {NULL, NULL}};
    gmq__emit(out,
              "\n"
              "gmq_status grpc_mqtt__$ident$__add_methods(gmq_method_map *map)\n"
              "{\n"
              "    gmq_status status = GMQ_OK;\n"
              "    if (!map)\n"
              "        return gmq_error_set(GMQ_E_INVALID, \"map is NULL\");\n",
              vars);
    for (size_t i = 0; i < file->n_services; i++) {
        gmq__var service_vars[GMQ__SERVICE_VARS];
        gmq__service_vars(&file->services[i], service_vars);
        gmq__emit(out,
                  "    if (status == GMQ_OK)\n"
                  "        status = $svc$_methods__add(map);\n",
                  service_vars);
    }
    gmq__bytes_put_str(out, "    return status;\n}\n");
}

void gmq__emit_source(gmq__bytes *out, const gmq__gen_file *file)
{
    const gmq__var vars[] = {{"file", file->name}, {"stem", file->stem}, {NULL, NULL}};
    unsigned needs = 0;
    for (size_t i = 0; i < file->n_services; i++)
        for (size_t k = 0; k < file->services[i].n_methods; k++)
            needs |= gmq__needs_of(&file->services[i].methods[k]);
    gmq__emit(
        out,
        "/* Made by protoc-gen-grpc-mqtt-c from $file$: to be made again, not to be edited. */\n"
        "#include \"$stem$.grpc-mqtt.h\"\n"
        "\n"
        "#include <stdlib.h>\n"
        "#include <string.h>\n",
        vars);
    if (file->n_services) {
        gmq__bytes_put_str(out, unpack_helper);
        gmq__emit_client_helpers(out, needs);
        gmq__emit_server_helpers(out, needs);
        gmq__emit_events_helpers(out, needs);
    }
    for (size_t i = 0; i < file->n_services; i++) {
        put_comment(out, "service ", file->services[i].full_name, "");
        put_methods(out, &file->services[i]);
        gmq__emit_client_source(out, &file->services[i]);
        gmq__emit_server_source(out, &file->services[i]);
    }
    put_all_methods(out, file);
}
