#include "codegen/check.h"

#include <stdint.h>
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

/* ---- Names: what protoc-c and this generator declare for one file, each of them once ---- */

typedef struct names {
    gmq__scratch *scratch;
    gmq__map seen;     /* name in C -> for what it was declared */
    const char *wrong; /* the first fault; NULL = none */
} names;

static void declare(names *n, const char *owner, const char *name)
{
    gmq__span key = gmq__span_str(name);
    const char *other = gmq__map_get(&n->seen, key);
    if (other && !n->wrong)
        n->wrong = gmq__scratch_text(n->scratch, "%s and %s are both %s in C: rename one", other,
                                     owner, name);
    else if (!other && !gmq__map_put(&n->seen, key, (void *)(uintptr_t)owner))
        n->scratch->failed = true;
}

static void declare_with(names *n, const char *owner, const char *stem, const char *const *suffixes)
{
    for (; *suffixes; suffixes++)
        declare(n, owner, gmq__scratch_text(n->scratch, "%s%s", stem, *suffixes));
}

/* Of C11; what protoc-c makes a member's name of, as it is. */
static const char *const c_keywords[] = {
    "auto",    "break",  "case",     "char",   "const",    "continue", "default",
    "do",      "double", "else",     "enum",   "extern",   "float",    "for",
    "goto",    "if",     "inline",   "int",    "long",     "register", "restrict",
    "return",  "short",  "signed",   "sizeof", "static",   "struct",   "switch",
    "typedef", "union",  "unsigned", "void",   "volatile", "while",
};

static void check_keyword(names *n, const char *owner, const gmq__gen_service *service,
                          const gmq__gen_method *method)
{
    size_t skipped = strlen(service->lower) + strlen("__");
    const char *member = strlen(method->lower) > skipped ? method->lower + skipped : "";
    for (size_t i = 0; !n->wrong && i < sizeof c_keywords / sizeof *c_keywords; i++)
        if (strcmp(member, c_keywords[i]) == 0)
            n->wrong = gmq__scratch_text(n->scratch,
                                         "%s: protoc-c makes \"%s\" of it, a keyword of C, and so "
                                         "what no compiler takes: rename it",
                                         owner, member);
}

/* The empty suffix is protoc-c's own function. */
static void check_method(names *n, const gmq__gen_service *service, const gmq__gen_method *method)
{
    static const char *const common[] = {"", "__begin", "__reply_of", "__write", NULL};
    static const char *const unary[] = {"__call", "__reply", NULL};
    static const char *const stream[] = {"__start", "__cancel", "__finish", NULL};
    static const char *const requests[] = {"__send", "__close_send", "__post", NULL};
    const char *owner =
        gmq__scratch_text(n->scratch, "method %s.%s", service->full_name, method->name);
    declare_with(n, owner, method->lower, common);
    declare_with(n, owner, method->lower, method->kind == GMQ_RPC_UNARY ? unary : stream);
    if ((unsigned)method->kind & (unsigned)GMQ_RPC_CLIENT_STREAMING)
        declare_with(n, owner, method->lower, requests);
    if (method->kind == GMQ_RPC_CLIENT_STREAMING)
        declare_with(n, owner, method->lower, unary + 1);
    if ((unsigned)method->kind & (unsigned)GMQ_RPC_SERVER_STREAMING)
        declare(n, owner, gmq__scratch_text(n->scratch, "%s__recv", method->lower));
    declare(n, owner, method->type);
    check_keyword(n, owner, service, method);
}

static void check_service(names *n, const gmq__gen_service *service)
{
    static const char *const functions[] = {"__init",
                                            "__descriptor", /* these are protoc-c's */
                                            "_methods__add",
                                            "_call__ref",
                                            "_call__unref",
                                            "_server__new",
                                            "_server__free",
                                            "_server__serve_event",
                                            NULL};
    const char *owner = gmq__scratch_text(n->scratch, "service %s", service->full_name);
    declare_with(n, owner, service->lower, functions);
    declare(n, owner, service->type);
    for (size_t i = 0; i < service->n_methods; i++)
        check_method(n, service, &service->methods[i]);
}

const char *gmq__check_names(gmq__scratch *scratch, const gmq__gen_file *file)
{
    names n = {.scratch = scratch};
    for (size_t i = 0; i < file->n_services; i++)
        check_service(&n, &file->services[i]);
    gmq__map_free(&n.seen);
    return n.wrong;
}
