#include "methods/descriptor_set.h"

#include "base/error.h"
#include "methods/descriptor_unpack.h"
#include "methods/method_options.h"
#include "methods/path.h"

typedef Google__Protobuf__FileDescriptorSet set_pb;
typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__ServiceDescriptorProto service_pb;
typedef Google__Protobuf__MethodDescriptorProto method_pb;

/* Where the reading stands. */
typedef struct reader {
    gmq_method_map *map;
    gmq__budget budget;
    const file_pb *file;
    gmq__rpc_options options; /* of the service over those of the file */
    gmq__bytes path;          /* "/pkg.Svc/" and then the method */
    size_t service_len;       /* of "pkg.Svc" */
    size_t methods;           /* read so far */
} reader;

static const char *text(const char *s) { return s ? s : ""; }

/* Type names in descriptors begin with a dot: ".pkg.Message". */
static gmq__span type_name(const char *name)
{
    const char *start = text(name);
    return gmq__span_str(*start == '.' ? start + 1 : start);
}

static gmq_status add_row(reader *r, const method_pb *pb, gmq__rpc_method method)
{
    gmq__span path = gmq__bytes_span(&r->path);
    if (gmq__rows_find(r->map, path))
        return GMQ_OK;
    gmq__span input = type_name(pb->input_type), output = type_name(pb->output_type);
    if (!gmq__budget_take(&r->budget, sizeof(gmq__row) + 2 * path.len + input.len + output.len))
        return gmq__descriptor_fail(&r->budget);
    gmq__row *row = gmq__row_new(path, input, output, method);
    if (row && gmq__rows_push(r->map, row))
        return GMQ_OK;
    gmq__row_free(row);
    return gmq__fail_nomem();
}

static gmq_status check_method(reader *r, gmq__span name)
{
    if (r->methods++ == GMQ__DESCRIPTOR_METHODS_MAX)
        return gmq__fail(GMQ_E_TOO_LARGE, "the descriptor set has more than %d methods",
                         GMQ__DESCRIPTOR_METHODS_MAX);
    const char *fault = gmq__path_method_fault(name);
    if (fault)
        return gmq__fail(GMQ_E_PARSE, "file \"%s\": name \"%s\" of a method %s",
                         text(r->file->name), (const char *)name.data, fault);
    if (r->service_len + 2 + name.len > GMQ__PATH_MAX)
        return gmq__fail(GMQ_E_PARSE, "file \"%s\": a method's path is longer than %d bytes",
                         text(r->file->name), GMQ__PATH_MAX);
    return GMQ_OK;
}

static gmq_status read_method(reader *r, const method_pb *pb)
{
    gmq__span name = gmq__span_str(text(pb->name));
    gmq_status status = check_method(r, name);
    if (status)
        return status;
    r->path.len = r->service_len + 2;
    gmq__bytes_put(&r->path, name.data, name.len);
    if (r->path.failed)
        return gmq__fail_nomem();
    gmq__rpc_method method = {(gmq_rpc_kind)((pb->client_streaming ? GMQ_RPC_CLIENT_STREAMING : 0) |
                                             (pb->server_streaming ? GMQ_RPC_SERVER_STREAMING : 0)),
                              GMQ__OPTIONS_NONE};
    status = gmq__method_options_read(&method.options, pb->options ? &pb->options->base : NULL,
                                      "method", pb->name);
    if (status)
        return status;
    method.options = gmq__method_options_over(method.options, r->options);
    return add_row(r, pb, method);
}

/* "/pkg.Svc/" into r->path. */
static gmq_status start_service(reader *r, const service_pb *pb)
{
    const char *package = text(r->file->package);
    const char *fault = gmq__path_method_fault(gmq__span_str(text(pb->name)));
    gmq__bytes_clear(&r->path);
    gmq__bytes_put_str(&r->path, "/");
    gmq__bytes_put_str(&r->path, package);
    gmq__bytes_put_str(&r->path, *package ? "." : "");
    gmq__bytes_put_str(&r->path, text(pb->name));
    if (r->path.failed)
        return gmq__fail_nomem();
    r->service_len = r->path.len - 1;
    if (!fault)
        fault = gmq__path_service_fault(gmq__span_of(r->path.data + 1, r->service_len));
    if (fault)
        return gmq__fail(GMQ_E_PARSE, "file \"%s\": name \"%.*s\" of a service %s",
                         text(r->file->name), (int)(r->service_len < 200 ? r->service_len : 200),
                         (const char *)r->path.data + 1, fault);
    gmq__bytes_put_str(&r->path, "/");
    return r->path.failed ? gmq__fail_nomem() : GMQ_OK;
}

static gmq_status read_service(reader *r, const service_pb *pb, gmq__rpc_options file_options)
{
    gmq_status status = start_service(r, pb);
    if (!status)
        status = gmq__method_options_read(&r->options, pb->options ? &pb->options->base : NULL,
                                          "service", pb->name);
    r->options = gmq__method_options_over(r->options, file_options);
    for (size_t i = 0; !status && i < pb->n_method; i++)
        status = read_method(r, pb->method[i]);
    return status;
}

static gmq_status read_file(reader *r, const file_pb *pb)
{
    gmq__rpc_options options = GMQ__OPTIONS_NONE;
    gmq_status status = GMQ_OK;
    r->file = pb;
    if (pb->n_service) /* the options of other files are none of ours */
        status = gmq__method_options_read(&options, pb->options ? &pb->options->base : NULL, "file",
                                          text(pb->name));
    for (size_t i = 0; !status && i < pb->n_service; i++)
        status = read_service(r, pb->service[i], options);
    return status;
}

gmq_status gmq__descriptor_set_read(gmq_method_map *map, gmq__span set)
{
    reader r = {.map = map, .options = GMQ__OPTIONS_NONE};
    set_pb *pb;
    gmq_status status = gmq__descriptor_unpack(&pb, set, &r.budget);
    if (status || !pb)
        return status;
    for (size_t i = 0; !status && i < pb->n_file; i++)
        status = read_file(&r, pb->file[i]);
    gmq__bytes_free(&r.path);
    gmq__descriptor_free(pb, &r.budget);
    return status;
}
