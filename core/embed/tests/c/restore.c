/* Restores standard input line by line through libebt, and checks what the header promises: restore MODEL
 *
 * The text goes to standard output. Status 0: everything held. */

#include "ebt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "restore.c:%d: not true: %s\n", __LINE__, #condition);    \
            return 1;                                                                 \
        }                                                                             \
    } while (0)

/* The restorer that is asked inside its own callback, and what this saw. */
struct watch {
    ebt_restorer *restorer;
    unsigned letters, wrong;
};

static void on_letter(void *user, const ebt_letter *letter)
{
    struct watch *watch = user;
    watch->letters += 1;
    if (letter->probability <= 0.0f || letter->probability > 1.0f || (!letter->in_doubt && letter->was != letter->is))
        watch->wrong += 1;
    if (ebt_restorer_close(watch->restorer) != EBT_STATUS_BUSY)
        watch->wrong += 1;
}

int main(int argc, char **argv)
{
    static unsigned char model[2 << 20];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    CHECK(file != NULL);
    size_t length = fread(model, 1, sizeof model, file);
    fclose(file);

    ebt_options options;
    CHECK(ebt_options_default(&options) == EBT_STATUS_OK);
    options.rows = options.steps = 1;
    size_t bytes = 0;
    ebt_solver *solver = NULL;
    struct watch watch = { NULL, 0, 0 };
    CHECK(ebt_restorer_bytes_needed(model, length, &options, &bytes) == EBT_STATUS_OK);
    void *memory = malloc(bytes);
    CHECK(memory != NULL);
    CHECK(ebt_restorer_bytes_needed(NULL, length, &options, &bytes) == EBT_STATUS_NULL);
    CHECK(ebt_restorer_open(model, length - 1, &options, memory, bytes, &watch.restorer) == EBT_STATUS_MODEL);
    CHECK(ebt_restorer_open(model, length, &options, memory, bytes / 2, &watch.restorer) == EBT_STATUS_MEMORY);
    CHECK(ebt_solver_open(model, length, &options, memory, bytes / 2, &solver) < 0);
    CHECK(ebt_restorer_open(model, length, &options, memory, bytes, &watch.restorer) == EBT_STATUS_OK);

    static char line[1 << 22], scratch[4 << 22];
    const char *restored = NULL;
    size_t end = 0;
    CHECK(ebt_restorer_restore(watch.restorer, 5, 0, "a", 1, scratch, 4, NULL, NULL, &restored, &end) == EBT_STATUS_SETTING);
    CHECK(ebt_restorer_restore(watch.restorer, 0, 9, "as", 2, scratch, 8, NULL, NULL, &restored, &end) == EBT_STATUS_SETTING);
    CHECK(ebt_restorer_restore(watch.restorer, 0, 0, "as", 2, scratch, 7, NULL, NULL, &restored, &end) == EBT_STATUS_BUFFER);
    CHECK(ebt_restorer_restore(watch.restorer, 0, 0, "\xff", 1, scratch, 4, NULL, NULL, &restored, &end) == EBT_STATUS_UTF8);
    CHECK(ebt_restorer_restore(watch.restorer, 0, 0, NULL, 1, scratch, 4, NULL, NULL, &restored, &end) == EBT_STATUS_NULL);
    CHECK(ebt_restorer_restore(watch.restorer, 0, 0, "", 0, scratch, 0, NULL, NULL, &restored, &end) == EBT_STATUS_OK);
    CHECK(end == 0);
    while (fgets(line, sizeof line, stdin)) {
        size_t typed = strcspn(line, "\n");
        CHECK(ebt_restorer_restore(watch.restorer, 0, 0, line, typed, scratch, sizeof scratch, on_letter, &watch, &restored, &end)
              == EBT_STATUS_OK);
        CHECK(fwrite(restored, 1, end, stdout) == end);
        fputs(line + typed, stdout);
    }
    CHECK(watch.letters > 0 && watch.wrong == 0);
    CHECK(ebt_restorer_close(watch.restorer) == EBT_STATUS_OK);
    CHECK(ebt_restorer_restore(watch.restorer, 0, 0, "a", 1, scratch, 4, NULL, NULL, &restored, &end) == EBT_STATUS_CLOSED);
    CHECK(ebt_restorer_close(watch.restorer) == EBT_STATUS_CLOSED);
    free(memory);
    return 0;
}
