# What find_package(grpc_mqtt) of other projects finds, and the same names inside this tree.

# Names of the tree as an installed package has them, so that examples and tests read alike.
add_library(grpc_mqtt::grpc_mqtt ALIAS grpc_mqtt)
add_library(grpc_mqtt::protobuf-c ALIAS PkgConfig::PROTOBUF_C)
set(GRPC_MQTT_PROTO_DIR ${PROJECT_SOURCE_DIR}/proto CACHE INTERNAL "For grpc_mqtt_generate()")
if(GMQ_BUILD_CODEGEN)
    include(GrpcMqttGenerate)
endif()

function(gmq_install_package)
    include(CMakePackageConfigHelpers)
    set(dir ${CMAKE_INSTALL_LIBDIR}/cmake/grpc_mqtt)
    configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/grpc_mqtt-config.cmake.in
        ${CMAKE_BINARY_DIR}/grpc_mqtt-config.cmake INSTALL_DESTINATION ${dir} PATH_VARS CMAKE_INSTALL_DATADIR)
    write_basic_package_version_file(${CMAKE_BINARY_DIR}/grpc_mqtt-config-version.cmake
        VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
    install(FILES ${CMAKE_BINARY_DIR}/grpc_mqtt-config.cmake ${CMAKE_BINARY_DIR}/grpc_mqtt-config-version.cmake
        ${PROJECT_SOURCE_DIR}/cmake/GrpcMqttGenerate.cmake DESTINATION ${dir})
    install(EXPORT grpc_mqtt NAMESPACE grpc_mqtt:: FILE grpc_mqtt-targets.cmake DESTINATION ${dir})
endfunction()
