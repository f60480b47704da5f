/* The whole run when memory is short, and with requests that end too early. What it makes and
 * refuses otherwise: tests/codegen. */
#include "codegen/plugin.h"

#include <google/protobuf/compiler/plugin.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"

typedef Google__Protobuf__Compiler__CodeGeneratorRequest request_pb;

static long allowed; /* allocations until one fails; negative: all succeed */
static long live;

static void *counted_realloc(void *old, size_t size)
{
    if (allowed == 0)
        return NULL;
    if (allowed > 0)
        allowed--;
    live += !old;
    return realloc(old, size);
}

static void counted_free(void *memory)
{
    live -= memory != NULL;
    free(memory);
}

static const gmq__mem_hooks hooks = {counted_realloc, counted_free};

/* A request about a file with a service of each kind of method and comments, out of pieces that
 * stay. */
static gmq__bytes request_of(const char *parameter)
{
    static char name[] = "x.proto", package[] = "p", message_name[] = "M", type[] = ".p.M";
    static char service_name[] = "Svc", comment[] = " It does.\n Sometimes.\n";
    static char methods_names[4][4] = {"One", "Two", "Tri", "For"};
    static int32_t place[] = {6, 0};
    Google__Protobuf__DescriptorProto message = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__DescriptorProto *messages[] = {&message};
    Google__Protobuf__MethodDescriptorProto method[4], *methods[4];
    Google__Protobuf__ServiceDescriptorProto service =
        GOOGLE__PROTOBUF__SERVICE_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__ServiceDescriptorProto *services[] = {&service};
    Google__Protobuf__SourceCodeInfo__Location location =
        GOOGLE__PROTOBUF__SOURCE_CODE_INFO__LOCATION__INIT;
    Google__Protobuf__SourceCodeInfo__Location *locations[] = {&location};
    Google__Protobuf__SourceCodeInfo info = GOOGLE__PROTOBUF__SOURCE_CODE_INFO__INIT;
    Google__Protobuf__FileDescriptorProto file = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__FileDescriptorProto *files[] = {&file};
    request_pb request = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_REQUEST__INIT;
    char *names[] = {name};
    message.name = message_name;
    for (int i = 0; i < 4; i++) {
        google__protobuf__method_descriptor_proto__init(&method[i]);
        methods[i] = &method[i];
        method[i].name = methods_names[i];
        method[i].input_type = method[i].output_type = type;
        method[i].has_client_streaming = method[i].has_server_streaming = 1;
        method[i].client_streaming = i & 1;
        method[i].server_streaming = i >> 1;
    }
    service.name = service_name;
    service.method = methods;
    service.n_method = 4;
    location.path = place;
    location.n_path = 2;
    location.leading_comments = comment;
    info.location = locations;
    info.n_location = 1;
    file.name = name;
    file.package = package;
    file.message_type = messages;
    file.service = services;
    file.n_message_type = file.n_service = 1;
    file.source_code_info = &info;
    request.proto_file = files;
    request.file_to_generate = names;
    request.n_proto_file = request.n_file_to_generate = 1;
    request.parameter = (char *)(uintptr_t)parameter;
    gmq__bytes bytes = {0};
    assert_true(gmq__bytes_reserve(
        &bytes, google__protobuf__compiler__code_generator_request__get_packed_size(&request)));
    bytes.len = google__protobuf__compiler__code_generator_request__pack(&request, bytes.data);
    return bytes;
}

static gmq_status run(gmq__span request)
{
    gmq__bytes out = {0};
    gmq_status status = gmq__plugin_run(request, &out);
    if (status == GMQ_OK)
        assert_true(out.len > 0);
    gmq__bytes_free(&out);
    return status;
}

static void memory_runs_out_test(void **state)
{
    gmq_status status = GMQ_E_NOMEM;
    long n = 0;
    (void)state;
    gmq__bytes request = request_of(NULL);
    long before = live;
    for (; status != GMQ_OK; n++) {
        allowed = n;
        status = run(gmq__bytes_span(&request));
        allowed = -1;
        assert_true(status == GMQ_OK || status == GMQ_E_NOMEM);
        assert_int_equal(live, before);
    }
    assert_true(n > 100); /* it has been tried in many places */
    gmq__bytes_free(&request);
}

static void requests_that_end_too_early_test(void **state)
{
    (void)state;
    gmq__bytes request = request_of("none is known");
    for (size_t len = 0; len <= request.len; len++) {
        gmq_status status = run(gmq__span_of(request.data, len));
        assert_true(status == GMQ_OK || status == GMQ_E_PARSE);
    }
    gmq__bytes_free(&request);
}

static void requests_with_a_wrong_byte_test(void **state)
{
    (void)state;
    gmq__bytes request = request_of(NULL);
    for (size_t at = 0; at < request.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            request.data[at] ^= (uint8_t)(1 << bit);
            gmq_status status = run(gmq__bytes_span(&request));
            assert_true(status == GMQ_OK || status == GMQ_E_PARSE);
            request.data[at] ^= (uint8_t)(1 << bit);
        }
    gmq__bytes_free(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out_test),
        cmocka_unit_test(requests_that_end_too_early_test),
        cmocka_unit_test(requests_with_a_wrong_byte_test),
    };
    allowed = -1;
    gmq__mem_set_hooks(&hooks);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
