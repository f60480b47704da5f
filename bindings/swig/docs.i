/* What help() of a scripting language says: a line or two for each noun and member. The contract is in the headers
 * (include/grpc_mqtt), which these do not repeat. Arguments are positional. Included before common.i.
 */
%define GMQ_DOC(member, text)
%feature("docstring", text) member;
%enddef

GMQ_DOC(gmq_version, "version() -> str: the library's version, as 0.1.0.")
GMQ_DOC(gmq_status_name, "status_name(status) -> str: the name of a status of the library, GMQ_E_CLOSED.")
GMQ_DOC(gmq_code_name, "code_name(code) -> str: the name of a gRPC status code, UNAVAILABLE.")
GMQ_DOC(check_metadata, "check_metadata(metadata): raises unless it can be sent as metadata.")

GMQ_DOC(gmq_options, "Options by name, for clients, servers, gateways and single calls.")
GMQ_DOC(gmq_options::set_string, "set_string(key, value): as in the query of an address; converted where needed.")
GMQ_DOC(gmq_options::set_int, "set_int(key, value): sets a number.")
GMQ_DOC(gmq_options::set_bool, "set_bool(key, value): sets a switch.")
GMQ_DOC(gmq_options::resolved_int, "get_int(url, key) -> int: the value that holds with this address: set, of its query, or the default.")

GMQ_DOC(gmq_method_map, "Methods: their kinds, types, options, and for a gateway their targets.")
GMQ_DOC(gmq_method_map::add_descriptors, "add_descriptors(data): adds the methods of a serialized FileDescriptorSet.")
GMQ_DOC(gmq_method_map::add_descriptor_file, "add_descriptor_file(file): the same from a file.")
GMQ_DOC(gmq_method_map::add, "add(path, kind): adds one method without a descriptor.")
GMQ_DOC(gmq_method_map::filter, "filter(pattern): removes what does not match; an asterisk stands for anything.")
GMQ_DOC(gmq_method_map::bind_methods, "bind(pattern, target) -> int: gives matching methods a target; how many.")
GMQ_DOC(gmq_method_map::merged, "merged(right) -> MethodMap: both; where both have a method, this one's.")
GMQ_DOC(gmq_method_map::count, "count() -> int: how many methods there are.")
GMQ_DOC(gmq_method_map::find, "find(path) -> int: the index of a method, -1 when it is not known.")
GMQ_DOC(gmq_method_map::path, "path(index) -> str | None: /package.Service/Method; None out of range.")
GMQ_DOC(gmq_method_map::kind, "kind(index) -> int: one of RPC_UNARY and its like; -1 out of range.")
GMQ_DOC(gmq_method_map::input_type, "input_type(index) -> str: full name of the request; empty when not known.")
GMQ_DOC(gmq_method_map::output_type, "output_type(index) -> str: full name of the response; empty when not known.")
GMQ_DOC(gmq_method_map::target, "target(index) -> str: the target that it is bound to; empty when none.")
GMQ_DOC(gmq_method_map::batched_stream, "batched_stream(index) -> int: 1 on, 0 off, -1 not said by its options.")
GMQ_DOC(gmq_method_map::server_clevel, "server_clevel(index) -> int: zstd level of what a server sends; -1 not said.")
GMQ_DOC(gmq_method_map::client_clevel, "client_clevel(index) -> int: zstd level of what a client sends; -1 not said.")

GMQ_DOC(gmq_queue, "Where the events of clients, servers and gateways arrive.")
GMQ_DOC(gmq_queue::fd, "fd() -> int: a descriptor that can be read while there are events; never read it.")
GMQ_DOC(gmq_queue::timeout_ms, "timeout_ms() -> int: how long a loop may wait before poll(); -1: until fd() can be read.")
GMQ_DOC(gmq_queue::poll_batch, "poll(max) -> list: up to max events (type, tag, code, text, body, metadata), no waiting.")
GMQ_DOC(gmq_queue::wait_batch, "wait(timeout_ms, max) -> list: as poll(), but waits for the first; other threads run.")
GMQ_DOC(gmq_queue::deliver, "deliver(registry, timeout_ms, max) -> list: hands events to the lists of registry[tag]; tags touched.")
GMQ_DOC(gmq_queue::post, "post(type, tag, code, text): puts an event of the program's own in.")
GMQ_DOC(gmq_queue::shutdown, "shutdown(): ends every wait, now and later.")

GMQ_DOC(gmq_client, "Client(url, options, map, queue, tag): calls methods of the server at a base topic.")
GMQ_DOC(gmq_client::start, "start(path, kind, metadata, timeout_ms, options, tag) -> Call: begins a call.")
GMQ_DOC(gmq_client::start_with,
        "start_with(path, kind, metadata, timeout_ms, options, tag, data, credit) -> Call: with its one request and half-closed.")
GMQ_DOC(gmq_client::close, "close(grace_ms): open calls may go on for that long; CLOSED comes at the end.")
GMQ_DOC(gmq_client::state, "state() -> int: one of STATE_IDLE and its like.")

GMQ_DOC(gmq_server, "Server(url, options, map, queue, tag): takes calls at a base topic; each is a CALL event.")
GMQ_DOC(gmq_server::set_methods, "set_methods(map): other methods from now on; open calls stay.")
GMQ_DOC(gmq_server::close, "close(grace_ms): no more calls; open ones may go on for that long; CLOSED comes at the end.")
GMQ_DOC(gmq_server::state, "state() -> int: one of STATE_IDLE and its like.")

GMQ_DOC(gmq_observer, "Observer(url, options, queue, tag): sees what passes at the broker; the base topic has no meaning.")
GMQ_DOC(gmq_observer::subscribe, "subscribe(filter, qos): a SUBSCRIBED event answers, OBSERVED events (payload as body) follow.")
GMQ_DOC(gmq_observer::publish, "publish(topic, data, properties, retain, qos): a PUBLISHED event says how it went.")
GMQ_DOC(gmq_observer::close, "close(): what was published goes out; CLOSED comes at the end.")
GMQ_DOC(gmq_observer::state, "state() -> int: one of STATE_IDLE and its like.")

GMQ_DOC(gmq_call, "A call, at the client or at the server.")
GMQ_DOC(gmq_call::send, "send(data) -> bool: sends a message; False: not now, a WRITABLE event follows.")
GMQ_DOC(gmq_call::half_close, "half_close(): of a client: no more messages follow.")
GMQ_DOC(gmq_call::read, "read(messages): that many more MESSAGE events are welcome.")
GMQ_DOC(gmq_call::cancel, "cancel(): ends the call CANCELLED, unless it is over.")
GMQ_DOC(gmq_call::cancel_with, "cancel_with(code, details): ends the call here with this status, and tells the peer.")
GMQ_DOC(gmq_call::resolve, "resolve(kind): says the kind of a call that was offered without one.")
GMQ_DOC(gmq_call::send_initial_metadata, "send_initial_metadata(metadata): of a server, once, before the first message.")
GMQ_DOC(gmq_call::finish, "finish(code, details, trailing): of a server: the status, after what was sent.")
GMQ_DOC(gmq_call::path, "path() -> str: /package.Service/Method.")
GMQ_DOC(gmq_call::kind, "kind() -> int: one of RPC_UNARY and its like; negative: not known, see resolve().")
GMQ_DOC(gmq_call::time_remaining_ms, "time_remaining_ms() -> int: until its deadline; -1: it has none.")
GMQ_DOC(gmq_call::peer, "peer() -> str: who is at the other side, for people to read.")
GMQ_DOC(gmq_call::owner_tag, "owner_tag() -> int: the tag of the client or server that it belongs to.")
GMQ_DOC(gmq_call::set_tag, "set_tag(tag): the tag of its events from now on.")

GMQ_DOC(gmq_gateway, "Gateway(url, options, map, queue, tag): forwards calls of bound methods to gRPC servers.")
GMQ_DOC(gmq_gateway::close, "close(grace_ms): no more calls; open ones may go on for that long; CLOSED comes at the end.")

%include "message_docs.i"

GMQ_DOC(gmq_proxy_config, "What a proxy listens on, whom it reaches, and its limits.")
GMQ_DOC(gmq_proxy_config::listen, "listen(address, cert_file, key_file, client_ca_file): adds an address; files may be None.")
GMQ_DOC(gmq_proxy_config::authority, "authority(pattern, base): calls to an authority that fits go to this base topic.")
GMQ_DOC(gmq_proxy_config::allow, "allow(filter): callers may choose the base topics that match.")
GMQ_DOC(gmq_proxy_config::methods, "methods(map): the methods whose kinds and options are known; None: none.")
GMQ_DOC(gmq_proxy_config::limits, "limits(max_calls, max_bases, base_idle_ms): a negative value leaves one as it is.")
GMQ_DOC(gmq_proxy, "Proxy(url, options, config, queue, tag): carries calls of gRPC clients over MQTT.")
GMQ_DOC(gmq_proxy::configure, "configure(config): other rules, methods and limits from now on.")
GMQ_DOC(gmq_proxy::port, "port(index) -> int: the port of an address, in order; 0: a Unix socket, or no such address.")
GMQ_DOC(gmq_proxy::close, "close(grace_ms): no more calls; open ones may go on for that long; CLOSED comes at the end.")
