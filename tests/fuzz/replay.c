/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* replay.c - runs a fuzz target once over each file of its corpus, in builds without libFuzzer.
 *
 * Arguments are files or folders (read one level deep). A missing folder is an error: a fuzz target
 * without a corpus tests nothing. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns 0 when the file was read and run. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        fprintf(stderr, "replay: cannot open %s\n", path);
        if (file)
            fclose(file);
        return 1;
    }
    const size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size ? size : 1); /* exact size, so that a sanitizer sees an overrun */
    const int bad = !data || fread(data, 1, size, file) != size;
    fclose(file);
    if (bad)
        fprintf(stderr, "replay: cannot read %s\n", path);
    else
        LLVMFuzzerTestOneInput(data, size);
    free(data);
    return bad;
}

int main(int argc, char **argv)
{
    int n_files = 0, n_bad = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            n_bad += replay_file(argv[i]);
            n_files++;
            continue;
        }
        for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            n_bad += replay_file(path);
            n_files++;
        }
        closedir(folder);
    }
    printf("replay: %d inputs, %d unreadable\n", n_files, n_bad);
    return n_files == 0 || n_bad != 0;
}
