/* What a .proto file says, as the generator needs it: C names, kinds, paths. */
#ifndef GMQ_CODEGEN_MODEL_H
#define GMQ_CODEGEN_MODEL_H

#include <google/protobuf/compiler/plugin.pb-c.h>
#include <grpc_mqtt/base.h>

#include "base/map.h"
#include "codegen/scratch.h"

typedef Google__Protobuf__FileDescriptorProto gmq__file_pb;
typedef Google__Protobuf__DescriptorProto gmq__message_pb;
typedef Google__Protobuf__ServiceDescriptorProto gmq__service_pb;
typedef Google__Protobuf__MethodDescriptorProto gmq__method_pb;
typedef Google__Protobuf__Compiler__CodeGeneratorRequest gmq__request_pb;

/* A message that a method takes or gives. */
typedef struct gmq__gen_type {
    const char *full_name; /* "pkg.Message" */
    const char *type;      /* Pkg__Message */
    const char *lower;     /* pkg__message */
} gmq__gen_type;

typedef struct gmq__gen_method {
    const char *name, *path; /* "SayHello", "/pkg.Svc/SayHello" */
    const char *type;        /* Pkg__Svc__SayHello */
    const char *lower;       /* pkg__svc__say_hello */
    const char *member;      /* say_hello */
    const char *comment;     /* what the .proto says above it; "" = nothing */
    gmq_rpc_kind kind;
    gmq__gen_type request, reply;
} gmq__gen_method;

typedef struct gmq__gen_service {
    const char *full_name; /* "pkg.Svc" */
    const char *type;      /* Pkg__Svc */
    const char *lower;     /* pkg__svc */
    const char *comment;
    gmq__span
        descriptors; /* a FileDescriptorSet with this service and the options that hold for it */
    gmq__gen_method *methods;
    size_t n_methods;
} gmq__gen_service;

typedef struct gmq__gen_file {
    const char *name;  /* "dir/x.proto" */
    const char *stem;  /* "dir/x" */
    const char *ident; /* dir_2fx_2eproto */
    gmq__gen_service *services;
    size_t n_services;
} gmq__gen_file;

typedef struct gmq__model {
    gmq__scratch *scratch;
    const gmq__request_pb *request;
    gmq__map
        messages; /* full name of a message -> its file; all rows come with gmq__model_init() */
} gmq__model;

/* Indexes the messages of all files. gmq__model_free() afterwards, even when false: no memory. */
bool gmq__model_init(gmq__model *model, gmq__scratch *scratch, const gmq__request_pb *request);
void gmq__model_free(gmq__model *model);

/* Describes one file. NULL = done; else what is wrong with it, for whoever wrote it. */
const char *gmq__model_file(gmq__model *model, const gmq__file_pb *pb, gmq__gen_file *out);

#endif
