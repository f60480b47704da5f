/* protoc-gen-grpc-mqtt-c: protoc starts it and speaks to it through its standard streams. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "codegen/plugin.h"

static const char usage[] =
    "protoc-gen-grpc-mqtt-c: typed C clients and servers, over the messages of protoc-c.\n"
    "protoc runs it, where it finds it in the PATH or is told where it is:\n"
    "  protoc-c --c_out=DIR x.proto\n"
    "  protoc --grpc-mqtt-c_out=DIR [--plugin=protoc-gen-grpc-mqtt-c=PATH] x.proto\n"
    "makes x.pb-c.h, x.pb-c.c, x.grpc-mqtt.h and x.grpc-mqtt.c.\n";

static int fail(const char *what)
{
    fprintf(stderr, "protoc-gen-grpc-mqtt-c: %s\n", what);
    return 1;
}

static bool read_all(FILE *in, gmq__bytes *out)
{
    uint8_t block[65536];
    size_t len;
    while ((len = fread(block, 1, sizeof block, in)) > 0)
        gmq__bytes_put(out, block, len);
    return !ferror(in) && !out->failed;
}

int main(int argc, char **argv)
{
    gmq__bytes in = {0}, out = {0};
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return printf("protoc-gen-grpc-mqtt-c %s\n", GMQ_VERSION) < 0;
    if (argc > 1) {
        fputs(usage, strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return strcmp(argv[1], "--help") != 0;
    }
    int result = 0;
    if (!read_all(stdin, &in))
        result = fail(in.failed ? "out of memory" : strerror(errno));
    else if (gmq__plugin_run(gmq__bytes_span(&in), &out) != GMQ_OK)
        result = fail(gmq_error_text());
    else if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
        result = fail(strerror(errno));
    gmq__bytes_free(&in);
    gmq__bytes_free(&out);
    return result;
}
