#include "codegen/plugin.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "codegen/emit.h"
#include "codegen/model.h"

typedef Google__Protobuf__Compiler__CodeGeneratorResponse response_pb;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File output_pb;

typedef struct plugin {
    gmq__scratch scratch;
    gmq__model model;
    const gmq__request_pb *request;
    response_pb response;
    output_pb *outputs;
} plugin;

static const gmq__file_pb *find_file(const gmq__request_pb *request, const char *name)
{
    for (size_t i = 0; i < request->n_proto_file; i++)
        if (request->proto_file[i]->name && strcmp(request->proto_file[i]->name, name) == 0)
            return request->proto_file[i];
    return NULL;
}

typedef void emit_fn(gmq__bytes *out, const gmq__gen_file *file);

/* The fields of the response are not const; nothing changes them. */
static char *writable(const char *text) { return (char *)(uintptr_t)text; }

static void add_output(plugin *p, const gmq__gen_file *file, const char *ending, emit_fn *emit)
{
    gmq__bytes text = {0};
    emit(&text, file);
    p->scratch.failed |= text.failed;
    output_pb *output = &p->outputs[p->response.n_file];
    google__protobuf__compiler__code_generator_response__file__init(output);
    output->name = writable(gmq__scratch_text(&p->scratch, "%s.grpc-mqtt.%s", file->stem, ending));
    output->content = writable(gmq__scratch_keep(&p->scratch, gmq__bytes_span(&text)));
    gmq__bytes_free(&text);
    p->response.file[p->response.n_file++] = output;
}

/* NULL, or what is wrong. */
static const char *generate(plugin *p, const char *name)
{
    gmq__gen_file file;
    const gmq__file_pb *pb = find_file(p->request, name);
    const char *wrong =
        pb ? gmq__model_file(&p->model, pb, &file) : "protoc did not hand it to the plugin";
    if (wrong)
        return gmq__scratch_text(&p->scratch, "%s: %s", name, wrong);
    add_output(p, &file, "h", gmq__emit_header);
    add_output(p, &file, "c", gmq__emit_source);
    return NULL;
}

static const char *generate_all(plugin *p)
{
    const char *parameter = p->request->parameter ? p->request->parameter : "";
    size_t count = p->request->n_file_to_generate;
    if (*parameter)
        return gmq__scratch_text(
            &p->scratch, "unknown parameter \"%s\": protoc-gen-grpc-mqtt-c takes none", parameter);
    p->outputs = gmq__scratch_alloc(&p->scratch, 2 * count, sizeof *p->outputs);
    p->response.file = gmq__scratch_alloc(&p->scratch, 2 * count, sizeof *p->response.file);
    const char *wrong = NULL;
    for (size_t i = 0; !wrong && !p->scratch.failed && i < count; i++)
        wrong = generate(p, p->request->file_to_generate[i]);
    return wrong;
}

static gmq_status respond(plugin *p, gmq__bytes *out)
{
    google__protobuf__compiler__code_generator_response__init(&p->response);
    p->response.has_supported_features = true;
    p->response.supported_features =
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
    if (!gmq__model_init(&p->model, &p->scratch, p->request))
        return gmq__fail_nomem();
    const char *wrong = generate_all(p);
    if (p->scratch.failed)
        return gmq__fail_nomem();
    if (wrong) {
        p->response.error = writable(wrong);
        p->response.n_file = 0;
    }
    size_t len = google__protobuf__compiler__code_generator_response__get_packed_size(&p->response);
    if (!gmq__bytes_reserve(out, len))
        return gmq__fail_nomem();
    out->len += google__protobuf__compiler__code_generator_response__pack(&p->response,
                                                                          out->data + out->len);
    return GMQ_OK;
}

static void *allocate(void *failed, size_t size)
{
    void *memory = gmq__malloc(size);
    *(bool *)failed |= !memory;
    return memory;
}

static void release(void *failed, void *memory)
{
    (void)failed;
    gmq__free(memory);
}

gmq_status gmq__plugin_run(gmq__span request, gmq__bytes *out)
{
    bool no_memory = false;
    ProtobufCAllocator allocator = {allocate, release, &no_memory};
    gmq__request_pb *pb = google__protobuf__compiler__code_generator_request__unpack(
        &allocator, request.len, request.data);
    if (!pb && no_memory)
        return gmq__fail_nomem();
    if (!pb)
        return gmq__fail(GMQ_E_PARSE, "%zu bytes that are no CodeGeneratorRequest", request.len);
    plugin p = {.request = pb};
    gmq_status status = respond(&p, out);
    gmq__model_free(&p.model);
    gmq__scratch_free(&p.scratch);
    google__protobuf__compiler__code_generator_request__free_unpacked(pb, &allocator);
    return status;
}
