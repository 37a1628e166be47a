/* Generates one case through libebt: one_text MODEL PROMPT NUMBER...
 *
 * A line a token: its id, and the bits of its probability and of its certificate; then the text. */

#include "ebt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void bits(const float *values, uint32_t count)
{
    fputs(" |", stdout);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, values + i, sizeof word);
        printf(" %08x", (unsigned)word);
    }
}

static int failed(const char *what, int status)
{
    fprintf(stderr, "%s: %s\n", what, ebt_strerror(status));
    return 1;
}

int main(int count, char **words)
{
    if (count != 21)
        return 2;
    FILE *file = fopen(words[1], "rb");
    if (!file)
        return 2;
    fseek(file, 0, SEEK_END);
    size_t length = (size_t)ftell(file);
    rewind(file);
    unsigned char *model = malloc(length);
    if (!model || fread(model, 1, length, file) != length)
        return 2;
    fclose(file);

    ebt_options options;
    ebt_settings settings;
    ebt_options_default(&options);
    ebt_settings_default(&settings);
    options.block = 8;
    options.rows = 4;
    options.steps = 8;
    options.trials = 1;
    options.curvature = 1;
    options.prompt = 256;
    settings.certify = 1;
    char **word = words + 3;
    settings.seed = strtoull(*word++, NULL, 10);
    settings.steps = (uint32_t)atol(*word++);
    settings.candidates = (uint32_t)atol(*word++);
    settings.choose = (uint32_t)atol(*word++);
    settings.curvature = (uint32_t)atol(*word++);
    settings.step_size = (uint32_t)atol(*word++);
    settings.step_value = strtof(*word++, NULL);
    settings.noise = (uint32_t)atol(*word++);
    settings.noise_value = strtof(*word++, NULL);
    settings.warm_up = (uint32_t)atol(*word++);
    settings.tolerance_energy = strtof(*word++, NULL);
    settings.tolerance_dissipation = strtof(*word++, NULL);
    settings.min_steps = (uint32_t)atol(*word++);
    settings.temperature = strtof(*word++, NULL);
    settings.top_k = (uint32_t)atol(*word++);
    settings.top_p = strtof(*word++, NULL);
    settings.min_p = strtof(*word++, NULL);
    long tokens = atol(*word);

    size_t bytes = 0, room = 0, written = 0;
    ebt_generator *generator = NULL;
    int status = ebt_bytes_needed(model, length, &options, &bytes);
    if (status != EBT_STATUS_OK)
        return failed("ebt_bytes_needed", status);
    void *memory = malloc(bytes);
    status = ebt_open(model, length, &options, memory, bytes, &generator);
    if (status == EBT_STATUS_OK)
        status = ebt_piece_bytes(generator, &room);
    if (status == EBT_STATUS_OK)
        status = ebt_prompt(generator, words[2], strlen(words[2]));
    if (status != EBT_STATUS_OK)
        return failed("ebt_prompt", status);
    char *text = malloc((size_t)tokens * room + 8);
    for (long i = 0; i < tokens; i++) {
        ebt_token token;
        status = ebt_next(generator, &settings, NULL, NULL, text + written, room, &token);
        if (status == EBT_STATUS_END)
            break;
        if (status != EBT_STATUS_OK)
            return failed("ebt_next", status);
        written += token.length;
        uint32_t probability;
        memcpy(&probability, &token.probability, sizeof probability);
        const ebt_certificate *c = &token.certificate;
        printf("%u %08x %u %u", (unsigned)token.id, (unsigned)probability, (unsigned)c->candidate, (unsigned)c->steps);
        bits(c->energies, c->steps);
        bits(c->energies_after, c->energies_after ? c->steps : 0);
        bits(c->step_sizes, c->steps);
        bits(c->dissipations, c->steps);
        bits(c->alpha_lambda, c->alpha_lambda ? c->steps : 0);
        putchar('\n');
    }
    fwrite(text, 1, written, stdout);
    putchar('\n');
    ebt_close(generator);
    free(text);
    free(memory);
    free(model);
    return 0;
}
