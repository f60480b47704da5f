/* Runs a fuzz target over every file of the given directories, in blocks of exactly their size. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    fseek(file, 0, SEEK_END);
    size_t len = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(len ? len : 1);
    int failed = !data || fread(data, 1, len, file) != len;
    fclose(file);
    if (!failed)
        failed = LLVMFuzzerTestOneInput(data, len) != 0;
    free(data);
    if (failed)
        fprintf(stderr, "%s failed\n", path);
    return failed;
}

static int run_directory(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    int failed = 0, files = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char file[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        failed += run_file(file);
        files++;
    }
    closedir(dir);
    printf("%s: %d files, %d failed\n", path, files, failed);
    return failed || !files;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= run_directory(argv[i]);
    return failed;
}
