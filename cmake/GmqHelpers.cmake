# Helpers of the top CMakeLists.txt.

set(GMQ_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
                 -Wpointer-arith -Wcast-align -Wwrite-strings)
if(GMQ_WERROR)
    list(APPEND GMQ_WARNINGS -Werror)
endif()

# Warnings and sanitizers of everything that is ours.
function(gmq_compile_options target)
    target_compile_options(${target} PRIVATE ${GMQ_WARNINGS})
    target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L GMQ_VERSION="${PROJECT_VERSION}")
    if(GMQ_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${GMQ_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
        target_link_options(${target} PRIVATE -fsanitize=${GMQ_SANITIZE})
    endif()
endfunction()

# Object library gmq_<name> of csrc/<name>/**.c; further arguments are libraries whose headers it needs.
function(gmq_module name)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/${name}/*.c)
    if(NOT GMQ_WITH_MOSQUITTO)
        list(FILTER sources EXCLUDE REGEX "/transport/mosquitto/")
    endif()
    add_library(gmq_${name} OBJECT ${sources})
    target_include_directories(gmq_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/csrc)
    target_link_libraries(gmq_${name} PUBLIC ${ARGN} Threads::Threads)
    gmq_compile_options(gmq_${name})
endfunction()

# Shared library with an export list: soname, hidden symbols, the public headers.
function(gmq_public_library target map)
    set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                          LINK_DEPENDS ${PROJECT_SOURCE_DIR}/${map})
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    target_link_options(${target} PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/${map} -Wl,--no-undefined-version)
    if(GMQ_SANITIZE)
        target_link_options(${target} PRIVATE -fsanitize=${GMQ_SANITIZE})
    else()
        target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()
endfunction()

# paho has no pkg-config file in Debian. Linked statically where possible: only so can some of its functions be led
# through csrc/transport/paho/hooks.c, without which 0x10 ("nobody is subscribed") is lost and connecting takes a second.
function(gmq_find_paho)
    option(GMQ_PAHO_STATIC "Link paho.mqtt.c statically where its archive is installed" ON)
    find_package(OpenSSL REQUIRED)
    find_path(PAHO_INCLUDE MQTTAsync.h)
    find_library(PAHO_LIBRARY paho-mqtt3as)
    find_library(PAHO_ARCHIVE libpaho-mqtt3as.a)
    if(NOT PAHO_INCLUDE OR NOT PAHO_LIBRARY)
        message(FATAL_ERROR "paho.mqtt.c is missing: apt-get install libpaho-mqtt-dev")
    endif()
    add_library(gmq_paho_plain INTERFACE) # as it comes, for comparison
    target_include_directories(gmq_paho_plain SYSTEM INTERFACE ${PAHO_INCLUDE})
    target_link_libraries(gmq_paho_plain INTERFACE ${PAHO_LIBRARY})
    add_library(gmq_paho INTERFACE)
    target_include_directories(gmq_paho SYSTEM INTERFACE ${PAHO_INCLUDE})
    if(PAHO_ARCHIVE) # hooks.c knows the insides of the versions 1.3
        file(STRINGS ${PAHO_ARCHIVE} paho_version REGEX "^MQTTAsyncV3_Version 1\\.3\\.[0-9]+" LIMIT_COUNT 1)
    endif()
    if(GMQ_PAHO_STATIC AND paho_version)
        target_link_libraries(gmq_paho INTERFACE ${PAHO_ARCHIVE})
        foreach(function MQTTProtocol_handlePubacks Thread_signal_cond Thread_wait_cond Socket_getReadySocket
                         Socket_new SocketBuffer_pendingWrite SocketBuffer_cleanup MQTTAsync_writeComplete)
            target_link_options(gmq_paho INTERFACE -Wl,--wrap=${function})
        endforeach()
        target_compile_definitions(gmq_paho INTERFACE GMQ_PAHO_WRAPPED)
    else()
        message(STATUS "paho is linked dynamically: calls without a server are noticed only at their deadline")
        target_link_libraries(gmq_paho INTERFACE ${PAHO_LIBRARY})
    endif()
    target_link_libraries(gmq_paho INTERFACE OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
endfunction()

# libmosquitto is optional: gmq_mosquitto is empty without it, and then there is no transport=mosquitto.
function(gmq_find_mosquitto)
    option(GMQ_MOSQUITTO "transport=mosquitto where libmosquitto is installed" ON)
    add_library(gmq_mosquitto INTERFACE)
    if(GMQ_MOSQUITTO)
        pkg_check_modules(MOSQUITTO IMPORTED_TARGET libmosquitto>=2.0)
    endif()
    if(MOSQUITTO_FOUND)
        target_link_libraries(gmq_mosquitto INTERFACE PkgConfig::MOSQUITTO)
        target_compile_definitions(gmq_mosquitto INTERFACE GMQ_WITH_MOSQUITTO)
    else()
        message(STATUS "transport=mosquitto is not built: apt-get install libmosquitto-dev")
    endif()
    set(GMQ_WITH_MOSQUITTO ${MOSQUITTO_FOUND} PARENT_SCOPE)
endfunction()

# protobuf-c code for google/protobuf/descriptor.proto, into the build tree, compiled into `target`.
function(gmq_generate_descriptor_c target)
    find_program(PROTOC_C protoc-c REQUIRED)
    find_path(PROTOBUF_INCLUDE google/protobuf/descriptor.proto REQUIRED)
    set(dir ${CMAKE_BINARY_DIR}/generated)
    set(base ${dir}/google/protobuf/descriptor.pb-c)
    add_custom_command(OUTPUT ${base}.c ${base}.h
        COMMAND ${CMAKE_COMMAND} -E make_directory ${dir}
        COMMAND ${PROTOC_C} -I${PROTOBUF_INCLUDE} --c_out=${dir} google/protobuf/descriptor.proto
        VERBATIM)
    set_source_files_properties(${base}.c PROPERTIES COMPILE_OPTIONS "-w")
    target_sources(${target} PRIVATE ${base}.c ${base}.h)
    target_include_directories(${target} SYSTEM PUBLIC ${dir})
endfunction()
