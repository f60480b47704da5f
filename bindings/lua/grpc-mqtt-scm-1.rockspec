-- From the top of the tree: luarocks --lua-version 5.4 make bindings/lua/grpc-mqtt-scm-1.rockspec
-- What has to be installed before, docs/guide/lua.md says.
rockspec_format = "3.0"
package = "grpc-mqtt"
version = "scm-1"
source = {
    url = "git+file://grpc-mqtt", -- not fetched: `make` builds the tree that it is called in
}
description = {
    summary = "gRPC calls carried over an MQTT broker: clients and servers on one thread",
    detailed = "A server behind a firewall connects out to the broker and needs no open port; clients connect to the same broker.",
    license = "Apache-2.0",
}
dependencies = {
    "lua ~> 5.4",
}
build = {
    type = "command",
    build_command = "sh bindings/lua/rock.sh build",
    install_command = "sh bindings/lua/rock.sh install '$(LUADIR)' '$(LIBDIR)'",
}
