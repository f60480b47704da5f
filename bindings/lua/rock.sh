# What the rockspec does: the module and the core library, from the tree.
#
#   sh bindings/lua/rock.sh build                      into build/rock, or $GMQ_ROCK_BUILD, a build with GMQ_BUILD_LUA=ON
#   sh bindings/lua/rock.sh install LUADIR LIBDIR
set -eu
build=${GMQ_ROCK_BUILD:-build/rock}

case $1 in
    build)
        if [ -z "${GMQ_ROCK_BUILD:-}" ]; then
            cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGMQ_BUILD_LUA=ON -DGMQ_BUILD_GATEWAY=OFF \
                -DGMQ_BUILD_CODEGEN=OFF -DGMQ_BUILD_TESTS=OFF -DGMQ_BUILD_EXAMPLES=OFF
        fi
        cmake --build "$build" --target lua_core
        ;;
    install)
        made=$(mktemp -d)
        trap 'rm -rf "$made"' EXIT
        cmake --install "$build" --component lua --prefix "$made" --strip
        cmake --install "$build" --component lua_bundle --prefix "$made" --strip
        mkdir -p "$2" "$3"
        cp -R "$made"/share/lua/5.4/* "$2"
        cp -R "$made"/lib*/lua/5.4/* "$3"
        ;;
esac
