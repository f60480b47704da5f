#include "codegen/model.h"

#include <string.h>

#include "codegen/check.h"
#include "codegen/comment.h"
#include "codegen/names.h"
#include "codegen/reduce.h"

static const char *text(const char *s) { return s ? s : ""; }

/* "a" and "b" are "a.b"; "b" where there is no a. */
static const char *join(gmq__scratch *scratch, const char *scope, const char *name)
{
    return *scope ? gmq__scratch_text(scratch, "%s.%s", scope, name) : name;
}

static bool index_messages(gmq__model *model, const gmq__file_pb *file, const char *scope,
                           gmq__message_pb *const *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = join(model->scratch, scope, text(messages[i]->name));
        if (!gmq__map_put(&model->messages, gmq__span_str(name), (void *)(uintptr_t)file) ||
            !index_messages(model, file, name, messages[i]->nested_type,
                            messages[i]->n_nested_type))
            return false;
    }
    return true;
}

bool gmq__model_init(gmq__model *model, gmq__scratch *scratch, const gmq__request_pb *request)
{
    memset(model, 0, sizeof *model);
    model->scratch = scratch;
    model->request = request;
    for (size_t i = 0; i < request->n_proto_file; i++) {
        const gmq__file_pb *file = request->proto_file[i];
        if (!index_messages(model, file, text(file->package), file->message_type,
                            file->n_message_type))
            return false;
    }
    return !scratch->failed;
}

void gmq__model_free(gmq__model *model) { gmq__map_free(&model->messages); }

/* The name in C's eyes: option c_package of protobuf-c takes the place of the file's package. */
static const char *name_in_c(gmq__model *model, const gmq__file_pb *file, const char *full_name)
{
    const char *package = gmq__reduce_c_package(model->scratch, file);
    if (!package)
        return full_name;
    const char *rest = full_name + strlen(text(file->package));
    return gmq__scratch_text(model->scratch, "%s.%s", package, rest);
}

static const char *describe_type(gmq__model *model, const char *type_name, gmq__gen_type *out)
{
    const char *name = *text(type_name) == '.' ? type_name + 1 : text(type_name);
    if (!*name)
        return "its request or reply has no type";
    const gmq__file_pb *file = gmq__map_get(&model->messages, gmq__span_str(name));
    if (!file)
        return gmq__scratch_text(model->scratch, "message %s is in none of the files given", name);
    const char *c_name = name_in_c(model, file, name);
    out->full_name = name;
    out->type = gmq__name_type(model->scratch, c_name);
    out->lower = gmq__name_lower(model->scratch, c_name);
    return NULL;
}

static const char *describe_method(gmq__model *model, const gmq__gen_service *service,
                                   const char *c_name, const gmq__method_pb *pb,
                                   gmq__gen_method *out)
{
    gmq__scratch *scratch = model->scratch;
    const char *full = gmq__scratch_text(scratch, "%s.%s", c_name, text(pb->name));
    out->name = text(pb->name);
    out->path = gmq__scratch_text(scratch, "/%s/%s", service->full_name, out->name);
    out->type = gmq__name_type(scratch, full);
    out->lower = gmq__name_lower(scratch, full);
    out->member = gmq__name_member(scratch, gmq__name_lower(scratch, out->name));
    out->kind = (gmq_rpc_kind)((pb->client_streaming ? GMQ_RPC_CLIENT_STREAMING : 0) |
                               (pb->server_streaming ? GMQ_RPC_SERVER_STREAMING : 0));
    const char *wrong = describe_type(model, pb->input_type, &out->request);
    return wrong ? wrong : describe_type(model, pb->output_type, &out->reply);
}

static const char *describe_service(gmq__model *model, const gmq__file_pb *file, size_t index,
                                    gmq__gen_service *out)
{
    gmq__service_pb *pb = file->service[index];
    gmq__scratch *scratch = model->scratch;
    if (!*text(pb->name))
        return "a service has no name";
    out->full_name = join(scratch, text(file->package), text(pb->name));
    const char *c_name = name_in_c(model, file, out->full_name);
    out->type = gmq__name_type(scratch, c_name);
    out->lower = gmq__name_lower(scratch, c_name);
    out->comment = gmq__comment_of(scratch, file, (int32_t)index, -1);
    out->descriptors = gmq__reduce_service(scratch, file, pb);
    out->methods = gmq__scratch_alloc(scratch, pb->n_method, sizeof *out->methods);
    if (scratch->failed)
        return "out of memory";
    out->n_methods = pb->n_method;
    for (size_t i = 0; i < pb->n_method; i++) {
        const char *wrong = describe_method(model, out, c_name, pb->method[i], &out->methods[i]);
        if (wrong)
            return gmq__scratch_text(scratch, "method %s.%s: %s", out->full_name,
                                     text(pb->method[i]->name), wrong);
        out->methods[i].comment = gmq__comment_of(scratch, file, (int32_t)index, (int32_t)i);
    }
    return NULL;
}

const char *gmq__model_file(gmq__model *model, const gmq__file_pb *pb, gmq__gen_file *out)
{
    gmq__scratch *scratch = model->scratch;
    memset(out, 0, sizeof *out);
    out->name = text(pb->name);
    const char *wrong = gmq__check_file(scratch, pb);
    out->stem = gmq__name_stem(scratch, out->name);
    out->ident = gmq__name_file(scratch, out->name);
    out->services = gmq__scratch_alloc(scratch, pb->n_service, sizeof *out->services);
    for (size_t i = 0; !wrong && !scratch->failed && i < pb->n_service; i++) {
        wrong = describe_service(model, pb, i, &out->services[i]);
        out->n_services = i + 1;
    }
    if (!wrong)
        wrong = gmq__check_names(scratch, out);
    return scratch->failed ? "out of memory" : wrong;
}
