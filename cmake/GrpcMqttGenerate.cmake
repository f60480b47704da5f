# grpc_mqtt_generate(TARGET PROTO... [IMPORT_DIRS DIR...] [WITHOUT_IMPORTS])
#
# Generates and compiles into TARGET, for each PROTO and for every .proto that it imports: the messages of protoc-c
# (x.pb-c.h, x.pb-c.c), and for each PROTO the typed clients and servers of protoc-gen-grpc-mqtt-c (x.grpc-mqtt.h,
# x.grpc-mqtt.c). Links TARGET with grpc_mqtt and protobuf-c. To be called in the directory where TARGET is made.
#
#   PROTO            a file of the source tree, below one of the IMPORT_DIRS, or a name to be found there
#   IMPORT_DIRS      where imports are looked for; the current source directory where none is given. grpc-mqtt's own protos
#                    and those that come with protoc are found besides
#   WITHOUT_IMPORTS  what is imported is not generated here: another target, linked with TARGET, has it
#
# Headers are included by the name of the .proto: import "dir/x.proto" is #include "dir/x.grpc-mqtt.h".

include_guard(GLOBAL)

# Absolute directories to look for imports in, in order, into `out`.
function(_grpc_mqtt_import_dirs out)
    set(dirs)
    foreach(dir IN LISTS ARGN)
        cmake_path(ABSOLUTE_PATH dir BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
        string(REGEX REPLACE "(.)/$" "\\1" dir ${dir})
        list(APPEND dirs ${dir})
    endforeach()
    if(NOT dirs)
        set(dirs ${CMAKE_CURRENT_SOURCE_DIR})
    endif()
    find_path(GRPC_MQTT_PROTOBUF_INCLUDE google/protobuf/descriptor.proto REQUIRED)
    list(APPEND dirs ${GRPC_MQTT_PROTO_DIR} ${GRPC_MQTT_PROTOBUF_INCLUDE})
    list(REMOVE_DUPLICATES dirs)
    set(${out} ${dirs} PARENT_SCOPE)
endfunction()

# The name by which a file is imported, into `out`.
function(_grpc_mqtt_proto_name out file dirs)
    foreach(dir IN LISTS dirs)
        if(EXISTS ${dir}/${file} AND NOT IS_ABSOLUTE ${file})
            set(${out} ${file} PARENT_SCOPE)
            return()
        endif()
        cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE OUTPUT_VARIABLE path)
        cmake_path(IS_PREFIX dir ${path} inside)
        if(inside AND EXISTS ${path})
            cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${dir} OUTPUT_VARIABLE name)
            set(${out} ${name} PARENT_SCOPE)
            return()
        endif()
    endforeach()
    list(JOIN dirs " " dirs)
    message(FATAL_ERROR "grpc_mqtt_generate: ${file} is not below any of: ${dirs} (IMPORT_DIRS says where to look)")
endfunction()

# The path of `name` and of all that it imports, into `out`. protoc reads them now, so that a .proto that does not parse
# stops CMake; a change of one runs CMake again.
function(_grpc_mqtt_closure out protoc includes name)
    set(scratch ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/grpc_mqtt_imports)
    execute_process(
        COMMAND ${protoc} ${includes} --descriptor_set_out=${scratch}.protoset --dependency_out=${scratch}.d ${name}
        RESULT_VARIABLE failed ERROR_VARIABLE errors)
    if(failed)
        message(FATAL_ERROR "grpc_mqtt_generate: protoc: ${errors}")
    endif()
    file(READ ${scratch}.d rule)
    string(REGEX REPLACE "^[^\n]*\\.protoset:" "" rule "${rule}")
    string(REPLACE "\\\n" ";" paths "${rule}")
    set(closure)
    foreach(path IN LISTS paths)
        string(STRIP "${path}" path)
        string(REPLACE "\\ " " " path "${path}")
        if(path)
            list(APPEND closure ${path})
        endif()
    endforeach()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${closure})
    set(${out} ${closure} PARENT_SCOPE)
endfunction()

function(grpc_mqtt_generate target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "WITHOUT_IMPORTS" "" "IMPORT_DIRS")
    if(NOT TARGET ${target})
        message(FATAL_ERROR "grpc_mqtt_generate: there is no target \"${target}\"")
    endif()
    if(NOT arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "grpc_mqtt_generate(${target}): which .proto files?")
    endif()
    find_program(GRPC_MQTT_PROTOC protoc REQUIRED)
    find_program(GRPC_MQTT_PROTOC_C protoc-c REQUIRED)
    _grpc_mqtt_import_dirs(dirs ${arg_IMPORT_DIRS})
    list(TRANSFORM dirs PREPEND -I OUTPUT_VARIABLE includes)
    set(names)
    set(paths)
    foreach(file IN LISTS arg_UNPARSED_ARGUMENTS)
        _grpc_mqtt_proto_name(name ${file} "${dirs}")
        _grpc_mqtt_closure(closure ${GRPC_MQTT_PROTOC} "${includes}" ${name})
        list(APPEND names ${name})
        list(APPEND paths ${closure})
    endforeach()
    list(REMOVE_DUPLICATES paths)
    set(messages ${names})
    if(NOT arg_WITHOUT_IMPORTS)
        foreach(path IN LISTS paths)
            _grpc_mqtt_proto_name(name ${path} "${dirs}")
            list(APPEND messages ${name})
        endforeach()
        list(REMOVE_ITEM messages protobuf-c/protobuf-c.proto) # protoc-c makes no code of its own options
        list(REMOVE_DUPLICATES messages)
    endif()

    set(out ${CMAKE_CURRENT_BINARY_DIR}/grpc_mqtt/${target})
    file(MAKE_DIRECTORY ${out})
    set(plugin $<TARGET_FILE:grpc_mqtt::protoc-gen-grpc-mqtt-c>)
    foreach(name IN LISTS messages)
        string(REGEX REPLACE "\\.proto(devel)?$" "" base ${out}/${name})
        add_custom_command(OUTPUT ${base}.pb-c.c ${base}.pb-c.h
            COMMAND ${GRPC_MQTT_PROTOC_C} ${includes} --c_out=${out} ${name}
            DEPENDS ${paths} VERBATIM)
        set_source_files_properties(${base}.pb-c.c PROPERTIES COMPILE_OPTIONS "-w")
        target_sources(${target} PRIVATE ${base}.pb-c.c ${base}.pb-c.h)
    endforeach()
    foreach(name IN LISTS names)
        string(REGEX REPLACE "\\.proto(devel)?$" "" base ${out}/${name})
        add_custom_command(OUTPUT ${base}.grpc-mqtt.c ${base}.grpc-mqtt.h
            COMMAND ${GRPC_MQTT_PROTOC} ${includes} --plugin=protoc-gen-grpc-mqtt-c=${plugin} --grpc-mqtt-c_out=${out} ${name}
            DEPENDS ${paths} grpc_mqtt::protoc-gen-grpc-mqtt-c VERBATIM)
        target_sources(${target} PRIVATE ${base}.grpc-mqtt.c ${base}.grpc-mqtt.h)
    endforeach()
    target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${out}>)
    target_link_libraries(${target} PUBLIC grpc_mqtt::grpc_mqtt grpc_mqtt::protobuf-c)
endfunction()
