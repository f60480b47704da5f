/**
 * @file method_map.h
 * Method map: what methods there are, of which kind, with which options, and where they are served.
 *
 * Built from a serialized google.protobuf.FileDescriptorSet (`protoc --include_imports
 * --descriptor_set_out=FILE`). Merge makes a monoid of it: the empty map is the identity, merging
 * is associative, and where both maps know a method the left one wins, whole.
 * Not thread-safe while it is being changed; clients, servers and gateways keep copies.
 */
#ifndef GRPC_MQTT_METHOD_MAP_H
#define GRPC_MQTT_METHOD_MAP_H

#include <grpc_mqtt/base.h>
#include <grpc_mqtt/options.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq_method_map gmq_method_map;

/** Makes an empty map. Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_method_map_new(gmq_method_map **out);

/** Frees a map; NULL is fine. Since 0.1. */
GMQ_API void gmq_method_map_free(gmq_method_map *map);

/** Adds every method of every service of a serialized FileDescriptorSet; methods that the map
 *  already has stay as they are (the left wins), and of one that stands twice in the set the first
 *  counts. Options are those of haskell/grpc/mqtt/option.proto and hs_grpc_mqtt.proto. On an error
 *  the map is unchanged.
 *  Errors: GMQ_E_PARSE (no descriptor set; a service or method name with `/`, `+`, `#` or a control
 *  character, a service with `-`; a level not 0 to 22), GMQ_E_TOO_LARGE (more than 64 MiB or 65536
 *  methods, or out of all proportion more memory to read it), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_method_map_add_descriptors(gmq_method_map *map, const void *data,
                                                  size_t len);

/** The same from a file. Blocks on the file. Errors: as above, and GMQ_E_IO; the text names the
 *  file. Since 0.1. */
GMQ_API gmq_status gmq_method_map_add_descriptor_file(gmq_method_map *map, const char *file);

/** Adds one method without a descriptor: no types, no options. Errors: GMQ_E_INVALID (`path`,
 *  `kind`), GMQ_E_EXISTS, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_method_map_add(gmq_method_map *map, const char *path, gmq_rpc_kind kind);

/** Binds the methods that match `pattern` to the gRPC server at `target` ("127.0.0.1:50051",
 *  "unix:/run/x.sock"), for a gateway; an earlier target is replaced. A pattern is a path in which
 *  an asterisk stands for any run of characters, so a single asterisk, like NULL, is every method.
 *  Number of methods bound into `count` (may be NULL); none is no error.
 *  Errors: GMQ_E_INVALID (empty target; a pattern that begins neither with a slash nor with an
 *  asterisk), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_method_map_bind(gmq_method_map *map, const char *pattern, const char *target,
                                       size_t *count);

/** Removes what does not match `pattern`. Errors: GMQ_E_INVALID (a pattern as above). Since 0.1. */
GMQ_API gmq_status gmq_method_map_filter(gmq_method_map *map, const char *pattern);

/** New map: all of `left`, and of `right` what `left` does not know. Inputs unchanged, either may
 *  be NULL (empty). Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_method_map_merge(gmq_method_map **out, const gmq_method_map *left,
                                        const gmq_method_map *right);

/** Number of methods; 0 for NULL. Since 0.1. */
GMQ_API size_t gmq_method_map_count(const gmq_method_map *map);

/** Index of a method by path "/pkg.Svc/Method"; -1 when unknown. Since 0.1. */
GMQ_API int64_t gmq_method_map_find(const gmq_method_map *map, const char *path);

/** Path of method `index`, in order of addition; NULL out of range. Borrowed until the map changes;
 *  so are all strings below. Since 0.1. */
GMQ_API const char *gmq_method_map_path(const gmq_method_map *map, size_t index);
/** Kind, a gmq_rpc_kind; -1 out of range. Since 0.1. */
GMQ_API int32_t gmq_method_map_kind(const gmq_method_map *map, size_t index);
/** Full name of the request message, "pkg.Request"; "" when not known. Since 0.1. */
GMQ_API const char *gmq_method_map_input_type(const gmq_method_map *map, size_t index);
/** Full name of the response message; "" when not known. Since 0.1. */
GMQ_API const char *gmq_method_map_output_type(const gmq_method_map *map, size_t index);
/** Target that the method is bound to; "" when none. Since 0.1. */
GMQ_API const char *gmq_method_map_target(const gmq_method_map *map, size_t index);
/** Whether streams are batched by the method's, service's or file's option, in this order: 1 on,
 *  0 off, -1 not said (then the run-time argument decides). Since 0.1. */
GMQ_API int32_t gmq_method_map_batched_stream(const gmq_method_map *map, size_t index);
/** zstd level 0 (off) to 22 of what the server sends, resolved likewise; -1 not said. Since 0.1. */
GMQ_API int32_t gmq_method_map_server_clevel(const gmq_method_map *map, size_t index);
/** zstd level of what the client sends, resolved likewise; -1 not said. Since 0.1. */
GMQ_API int32_t gmq_method_map_client_clevel(const gmq_method_map *map, size_t index);

#ifdef __cplusplus
}
#endif
#endif
