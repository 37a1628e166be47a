/* Answers a problem through libebt and checks what the header promises: solve MODEL
 *
 * The first cell holds token 1, the second token 0 or 2, the others any. The answer goes to standard output. Status 0:
 * everything held. */

#include "ebt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "solve.c:%d: not true: %s\n", __LINE__, #condition);      \
            return 1;                                                                 \
        }                                                                             \
    } while (0)

/* The solver that is asked inside its own callback, and the steps that this saw. */
struct watch {
    ebt_solver *solver;
    unsigned steps;
};

static int on_step(void *user, const ebt_step *step)
{
    struct watch *watch = user;
    size_t cells = 0, vocabulary = 0;
    ebt_solution solution;
    uint32_t answer = 0;
    if (ebt_solver_sizes(watch->solver, &cells, &vocabulary) != EBT_STATUS_OK || step->vocabulary != cells * vocabulary)
        return 1;
    if (ebt_solver_solve(watch->solver, NULL, NULL, NULL, &answer, 1, &answer, &solution) != EBT_STATUS_BUSY)
        return 1;
    watch->steps += 1;
    return ebt_solver_close(watch->solver) != EBT_STATUS_BUSY;
}

int main(int argc, char **argv)
{
    static unsigned char model[1 << 20];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    CHECK(file != NULL);
    size_t length = fread(model, 1, sizeof model, file);
    fclose(file);

    ebt_options options;
    ebt_solver_settings settings;
    CHECK(ebt_options_default(&options) == EBT_STATUS_OK);
    CHECK(ebt_solver_settings_default(&settings) == EBT_STATUS_OK);
    CHECK(settings.steps == 16 && settings.eta == 0.5f && settings.candidates == 1);
    options.rows = settings.candidates = 3;
    settings.steps = 5;
    settings.commits = 2;

    size_t bytes = 0, cells = 0, vocabulary = 0;
    ebt_generator *generator = NULL;
    struct watch watch = { NULL, 0 };
    CHECK(ebt_solver_bytes_needed(model, length, &options, &bytes) == EBT_STATUS_OK);
    void *memory = malloc(bytes);
    CHECK(memory != NULL);
    CHECK(ebt_solver_bytes_needed(NULL, length, &options, &bytes) == EBT_STATUS_NULL);
    CHECK(ebt_open(model, length, NULL, memory, bytes, &generator) < 0);
    CHECK(ebt_solver_open(model, length - 1, &options, memory, bytes, &watch.solver) == EBT_STATUS_MODEL);
    CHECK(ebt_solver_open(model, length, &options, memory, bytes / 2, &watch.solver) == EBT_STATUS_MEMORY);
    CHECK(ebt_solver_open(model, length, &options, memory, bytes, &watch.solver) == EBT_STATUS_OK);
    CHECK(ebt_solver_sizes(watch.solver, &cells, &vocabulary) == EBT_STATUS_OK);
    CHECK(cells <= 64 && vocabulary <= 32);
    ebt_grid grid;
    CHECK(ebt_solver_grid(watch.solver, &grid) == EBT_STATUS_OK);
    CHECK(grid.rows == 0 && grid.columns == 0 && grid.box_rows == 0 && grid.box_columns == 0);
    CHECK(ebt_solver_grid(watch.solver, NULL) == EBT_STATUS_NULL);

    uint32_t allowed[64], answer[64];
    for (size_t i = 0; i < cells; i++)
        allowed[i] = i == 0 ? 2u : i == 1 ? 5u : (1u << vocabulary) - 1u;
    ebt_solution solution;
    CHECK(ebt_solver_solve(watch.solver, &settings, on_step, &watch, allowed, cells + 1, answer, &solution) < 0);
    allowed[2] = 0;
    CHECK(ebt_solver_solve(watch.solver, &settings, on_step, &watch, allowed, cells, answer, &solution)
          == EBT_STATUS_PROBLEM);
    allowed[2] = 1u << vocabulary;
    CHECK(ebt_solver_solve(watch.solver, &settings, on_step, &watch, allowed, cells, answer, &solution)
          == EBT_STATUS_TOKEN);
    allowed[2] = allowed[3];
    CHECK(watch.steps == 0);
    CHECK(ebt_solver_solve(watch.solver, &settings, on_step, &watch, allowed, cells, answer, &solution) == EBT_STATUS_OK);
    CHECK(watch.steps == 5 * 2 * 3 && solution.certificate.steps == 10);
    CHECK(answer[0] == 1 && (answer[1] == 0 || answer[1] == 2));
    CHECK(solution.votes >= 1 && solution.votes <= 3 && solution.residual >= 0.0f && isfinite(solution.energy));
    CHECK(solution.probabilities[1] == 1.0f && solution.probabilities[vocabulary + 1] == 0.0f);
    for (size_t i = 0; i < cells; i++)
        printf("%u ", (unsigned)answer[i]);
    printf("\n");
    CHECK(ebt_solver_close(watch.solver) == EBT_STATUS_OK);
    CHECK(ebt_solver_sizes(watch.solver, &cells, &vocabulary) == EBT_STATUS_CLOSED);
    free(memory);
    return 0;
}
