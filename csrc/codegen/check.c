#include "codegen/check.h"

#include <string.h>

static const char *find_group(gmq__scratch *scratch, const char *scope,
                              gmq__message_pb *const *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const gmq__message_pb *pb = messages[i];
        const char *name = gmq__scratch_text(scratch, "%s%s%s", scope, *scope ? "." : "",
                                             pb->name ? pb->name : "");
        for (size_t f = 0; f < pb->n_field; f++)
            if (pb->field[f]->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP)
                return gmq__scratch_text(
                    scratch,
                    "field \"%s\" of message %s is a group, which protobuf-c does not "
                    "know: make it a message of its own",
                    pb->field[f]->name ? pb->field[f]->name : "", name);
        const char *wrong = find_group(scratch, name, pb->nested_type, pb->n_nested_type);
        if (wrong)
            return wrong;
    }
    return NULL;
}

const char *gmq__check_file(gmq__scratch *scratch, const gmq__file_pb *pb)
{
    const char *syntax = pb->syntax ? pb->syntax : "";
    if (*syntax && strcmp(syntax, "proto2") != 0 && strcmp(syntax, "proto3") != 0)
        return gmq__scratch_text(
            scratch, "its syntax is \"%s\", and protobuf-c knows proto2 and proto3 alone", syntax);
    return find_group(scratch, pb->package ? pb->package : "", pb->message_type,
                      pb->n_message_type);
}

static const char *check_methods(gmq__scratch *scratch, const gmq__gen_service *service)
{
    gmq__map seen = {0};
    const char *wrong = NULL;
    for (size_t i = 0; !wrong && i < service->n_methods; i++) {
        gmq__gen_method *method = &service->methods[i];
        const gmq__gen_method *other = gmq__map_get(&seen, gmq__span_str(method->lower));
        if (other)
            wrong = gmq__scratch_text(
                scratch, "methods %s and %s of service %s are both %s in C: rename one",
                other->name, method->name, service->full_name, method->lower);
        else if (!gmq__map_put(&seen, gmq__span_str(method->lower), method))
            scratch->failed = true;
    }
    gmq__map_free(&seen);
    return wrong;
}

const char *gmq__check_names(gmq__scratch *scratch, const gmq__gen_file *file)
{
    for (size_t i = 0; i < file->n_services; i++) {
        const gmq__gen_service *service = &file->services[i];
        for (size_t k = 0; k < i; k++)
            if (strcmp(service->lower, file->services[k].lower) == 0)
                return gmq__scratch_text(scratch, "services %s and %s are both %s in C: rename one",
                                         file->services[k].full_name, service->full_name,
                                         service->lower);
        const char *wrong = check_methods(scratch, service);
        if (wrong)
            return wrong;
    }
    return NULL;
}
