/* The nouns of the core library for every scripting language: declarations over the public headers, no logic. How values
 * cross the border is said in gmq_<language>.swg, which is included first.
 *
 * A member without a body is the C function gmq_<noun>_<member>(). One with a body adapts: it reports a failure by
 * gmq_swig_check() and an empty result, and is listed in GMQ_FALLIBLE so that the language raises its own error.
 */
%nodefaultctor;
%nodefaultdtor;

%include <stdint.i>

/* ---- Constants ------------------------------------------------------------------------------------------------ */

%define GMQ_CONSTANT(name)
%constant int name = GMQ_##name;
%enddef

GMQ_CONSTANT(OK)
GMQ_CONSTANT(E_INVALID)
GMQ_CONSTANT(E_NOMEM)
GMQ_CONSTANT(E_STATE)
GMQ_CONSTANT(E_CLOSED)
GMQ_CONSTANT(E_OPTION)
GMQ_CONSTANT(E_URL)
GMQ_CONSTANT(E_IO)
GMQ_CONSTANT(E_TIMEOUT)
GMQ_CONSTANT(E_AGAIN)
GMQ_CONSTANT(E_UNSUPPORTED)
GMQ_CONSTANT(E_NOT_FOUND)
GMQ_CONSTANT(E_TOO_LARGE)
GMQ_CONSTANT(E_PARSE)
GMQ_CONSTANT(E_FORKED)
GMQ_CONSTANT(E_EXISTS)

GMQ_CONSTANT(RPC_UNARY)
GMQ_CONSTANT(RPC_CLIENT_STREAMING)
GMQ_CONSTANT(RPC_SERVER_STREAMING)
GMQ_CONSTANT(RPC_BIDI_STREAMING)

GMQ_CONSTANT(EVENT_STATE)
GMQ_CONSTANT(EVENT_CALL)
GMQ_CONSTANT(EVENT_INITIAL_METADATA)
GMQ_CONSTANT(EVENT_MESSAGE)
GMQ_CONSTANT(EVENT_WRITABLE)
GMQ_CONSTANT(EVENT_HALF_CLOSED)
GMQ_CONSTANT(EVENT_FINISHED)
GMQ_CONSTANT(EVENT_CLOSED)
GMQ_CONSTANT(EVENT_LOG)
GMQ_CONSTANT(EVENT_OBSERVED)
GMQ_CONSTANT(EVENT_SUBSCRIBED)
GMQ_CONSTANT(EVENT_PUBLISHED)
GMQ_CONSTANT(EVENT_USER)

GMQ_CONSTANT(STATE_IDLE)
GMQ_CONSTANT(STATE_CONNECTING)
GMQ_CONSTANT(STATE_READY)
GMQ_CONSTANT(STATE_TRANSIENT_FAILURE)
GMQ_CONSTANT(STATE_SHUTDOWN)



%rename(version) gmq_version;
%rename(status_name) gmq_status_name;
%rename(code_name) gmq_code_name;
const char *gmq_version(void);
const char *gmq_status_name(int32_t status);
const char *gmq_code_name(int32_t code);

/* Converts its argument, which fails on what is no metadata; does nothing else. */
%{
static void check_metadata(const gmq_metadata *metadata) { (void)metadata; }
%}
void check_metadata(const gmq_metadata *metadata);

/* ---- Nouns ---------------------------------------------------------------------------------------------------- */

GMQ_NOUN(gmq_call, Call)
GMQ_NOUN(gmq_client, Client)
GMQ_NOUN(gmq_method_map, MethodMap)
GMQ_NOUN(gmq_observer, Observer)
GMQ_NOUN(gmq_options, Options)
GMQ_NOUN(gmq_queue, Queue)
GMQ_NOUN(gmq_server, Server)

GMQ_FREED_BY(gmq_call, gmq_call_unref)
GMQ_FREED_BY(gmq_client, gmq_client_unref)
GMQ_FREED_BY(gmq_method_map, gmq_method_map_free)
GMQ_FREED_BY(gmq_observer, gmq_observer_unref)
GMQ_FREED_BY(gmq_options, gmq_options_free)
GMQ_FREED_BY(gmq_queue, gmq_queue_unref)
GMQ_FREED_BY(gmq_server, gmq_server_unref)

GMQ_FALLIBLE(gmq_options::gmq_options)
GMQ_FALLIBLE(gmq_options::resolved_int)
%rename(get_int) gmq_options::resolved_int;
%extend gmq_options {
    gmq_options()
    {
        gmq_options *options = NULL;
        gmq_swig_check(gmq_options_new(&options));
        return options;
    }
    gmq_status set_string(const char *key, const char *value);
    gmq_status set_int(const char *key, int64_t value);
    gmq_status set_bool(const char *key, int value);
    int64_t resolved_int(const char *url, const char *key)
    {
        int64_t value = 0;
        gmq_swig_check(gmq_options_get_int($self, url, key, &value));
        return value;
    }
}

GMQ_FALLIBLE(gmq_method_map::gmq_method_map)
GMQ_FALLIBLE(gmq_method_map::bind_methods)
GMQ_FALLIBLE(gmq_method_map::merged)
%rename(bind) gmq_method_map::bind_methods;
%newobject gmq_method_map::merged;
%extend gmq_method_map {
    gmq_method_map()
    {
        gmq_method_map *map = NULL;
        gmq_swig_check(gmq_method_map_new(&map));
        return map;
    }
    gmq_status add_descriptors(const void *data, size_t len);
    gmq_status add_descriptor_file(const char *file);
    gmq_status add(const char *path, gmq_rpc_kind kind);
    gmq_status filter(const char *pattern);
    int64_t bind_methods(const char *pattern, const char *target)
    {
        size_t count = 0;
        gmq_swig_check(gmq_method_map_bind($self, pattern, target, &count));
        return (int64_t)count;
    }
    gmq_method_map *merged(const gmq_method_map *right)
    {
        gmq_method_map *out = NULL;
        gmq_swig_check(gmq_method_map_merge(&out, $self, right));
        return out;
    }
    size_t count() const;
    int64_t find(const char *path) const;
    const char *path(size_t index) const;
    int32_t kind(size_t index) const;
    const char *input_type(size_t index) const;
    const char *output_type(size_t index) const;
    const char *target(size_t index) const;
    int32_t batched_stream(size_t index) const;
    int32_t server_clevel(size_t index) const;
    int32_t client_clevel(size_t index) const;
}

/* poll and wait: a list of events; deliver: events handed out by tag. See the language file for what an event becomes. */
GMQ_FALLIBLE(gmq_queue::gmq_queue)
%rename(poll) gmq_queue::poll_batch;
%rename(wait) gmq_queue::wait_batch;
%extend gmq_queue {
    gmq_queue()
    {
        gmq_queue *queue = NULL;
        gmq_swig_check(gmq_queue_new(&queue));
        return queue;
    }
    int fd();
    int64_t timeout_ms();
    gmq_status poll_batch(size_t max, gmq_batch *events) { return gmq_swig_take($self, 0, max, events); }
    gmq_status wait_batch(int64_t timeout_ms, size_t max, gmq_batch *events)
    {
        return gmq_swig_take($self, timeout_ms, max, events);
    }
    gmq_status deliver(gmq_batch *registry, int64_t timeout_ms, size_t max)
    {
        return gmq_swig_take($self, timeout_ms, max, registry);
    }
    gmq_status post(int32_t type, uint64_t tag, int32_t code, const char *text);
    void shutdown();
}

GMQ_FALLIBLE(gmq_client::gmq_client)
GMQ_FALLIBLE(gmq_client::start)
GMQ_FALLIBLE(gmq_client::start_with)
%newobject gmq_client::start;
%newobject gmq_client::start_with;
%rename(stats) gmq_client::numbers;
%extend gmq_client {
    gmq_client(const char *url, const gmq_options *options, const gmq_method_map *map, gmq_queue *queue, uint64_t tag)
    {
        gmq_client *client = NULL;
        gmq_swig_check(gmq_client_new(&client, url, options, map, queue, tag));
        return client;
    }
    gmq_call *start(const char *path, gmq_rpc_kind kind, const gmq_metadata *metadata, int64_t timeout_ms,
                    const gmq_options *options, uint64_t tag)
    {
        gmq_call *call = NULL;
        gmq_swig_check(gmq_call_start(&call, $self, path, kind, metadata, timeout_ms, options, tag));
        return call;
    }
    gmq_call *start_with(const char *path, gmq_rpc_kind kind, const gmq_metadata *metadata, int64_t timeout_ms,
                         const gmq_options *options, uint64_t tag, const void *data, size_t len, uint32_t credit)
    {
        gmq_call *call = NULL;
        gmq_swig_check(gmq_call_start_with(&call, $self, path, kind, metadata, timeout_ms, options, tag, data, len,
                                           credit));
        return call;
    }
#ifdef SWIGPYTHON
    gmq_status numbers(gmq_stats **numbers) { return gmq_client_stats(numbers, $self); }
#endif
    void close(int64_t grace_ms);
    int32_t state() const;
}

GMQ_FALLIBLE(gmq_server::gmq_server)
%rename(stats) gmq_server::numbers;
%extend gmq_server {
    gmq_server(const char *url, const gmq_options *options, const gmq_method_map *map, gmq_queue *queue, uint64_t tag)
    {
        gmq_server *server = NULL;
        gmq_swig_check(gmq_server_new(&server, url, options, map, queue, tag));
        return server;
    }
    gmq_status set_methods(const gmq_method_map *map);
#ifdef SWIGPYTHON
    gmq_status numbers(gmq_stats **numbers) { return gmq_server_stats(numbers, $self); }
#endif
    void close(int64_t grace_ms);
    int32_t state() const;
}

GMQ_FALLIBLE(gmq_observer::gmq_observer)
%extend gmq_observer {
    gmq_observer(const char *url, const gmq_options *options, gmq_queue *queue, uint64_t tag)
    {
        gmq_observer *observer = NULL;
        gmq_swig_check(gmq_observer_new(&observer, url, options, queue, tag));
        return observer;
    }
    gmq_status subscribe(const char *filter, int32_t qos);
    gmq_status publish(const char *topic, const void *data, size_t len, const gmq_metadata *properties, int32_t retain,
                       int32_t qos);
    void close();
    int32_t state() const;
}

%extend gmq_call {
    gmq_taken send(const void *data, size_t len);
    gmq_status half_close();
    gmq_status read(uint32_t messages);
    void cancel();
    void cancel_with(int32_t code, const char *details);
    gmq_status resolve(gmq_rpc_kind kind);
    gmq_status send_initial_metadata(const gmq_metadata *metadata);
    gmq_status finish(int32_t code, const char *details, const gmq_metadata *trailing);
    const char *path() const;
    int32_t kind() const;
    int64_t time_remaining_ms() const;
    const char *peer() const;
    void set_tag(uint64_t tag);
    uint64_t owner_tag() const;
}
