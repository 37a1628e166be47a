/* Generates text through libebt and checks what the header promises: generate MODEL PROMPT TOKENS
 *
 * The text goes to standard output, one line of energies a token to standard error. Status 0: everything held. */

#include "ebt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "generate.c:%d: not true: %s\n", __LINE__, #condition);   \
            return 1;                                                                 \
        }                                                                             \
    } while (0)

/* What the callback is given: how many steps it saw, and when to cancel. */
struct watch {
    unsigned steps;
    unsigned cancel_at; /* 0: never */
    float last_energy;
    ebt_generator *generator;
};

/* Inside a callback the generator tells what it knows, and is used for nothing else. */
static int busy(ebt_generator *generator, const float *probabilities)
{
    size_t number = 0;
    const uint8_t *bytes = NULL;
    float energy = 0.0f;
    uint32_t id = 300;
    return ebt_vocabulary(generator, &number) == EBT_STATUS_OK && ebt_piece_bytes(generator, &number) == EBT_STATUS_OK
        && ebt_token_bytes(generator, id, &bytes, &number) == EBT_STATUS_OK && number > 0
        && ebt_prompt(generator, "a", 1) == EBT_STATUS_BUSY && ebt_accept(generator, &id, 1) == EBT_STATUS_BUSY
        && ebt_energies(generator, 0, probabilities, 1, &energy) == EBT_STATUS_BUSY
        && ebt_reset(generator) == EBT_STATUS_BUSY && ebt_close(generator) == EBT_STATUS_BUSY;
}

static int on_step(void *user, const ebt_step *step)
{
    struct watch *watch = user;
    double sum = 0.0;
    for (size_t i = 0; i < step->vocabulary; i++)
        sum += step->probabilities[i];
    if (fabs(sum - 1.0) > 1e-3)
        return 1;
    if (!busy(watch->generator, step->probabilities))
        return 1;
    watch->steps += 1;
    watch->last_energy = step->energy;
    return watch->cancel_at != 0 && watch->steps >= watch->cancel_at;
}

static unsigned char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fseek(file, 0, SEEK_SET);
    unsigned char *bytes = size < 0 ? NULL : malloc((size_t)size);
    *length = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
    fclose(file);
    return bytes;
}

/* Nothing wrong is accepted, and nothing crashes. */
static int refusals(const unsigned char *model, size_t length, ebt_generator *open)
{
    size_t bytes = 0;
    ebt_generator *generator = NULL;
    ebt_options options;
    ebt_settings settings;
    ebt_token token;
    char piece[4];
    static _Alignas(64) unsigned char small[64];

    CHECK(ebt_options_default(NULL) == EBT_STATUS_NULL && ebt_options_default(&options) == EBT_STATUS_OK);
    CHECK(ebt_settings_default(NULL) == EBT_STATUS_NULL && ebt_settings_default(&settings) == EBT_STATUS_OK);
    CHECK(ebt_bytes_needed(NULL, length, NULL, &bytes) == EBT_STATUS_NULL);
    CHECK(ebt_bytes_needed(model, length, NULL, NULL) == EBT_STATUS_NULL);
    CHECK(ebt_bytes_needed(model, SIZE_MAX, NULL, &bytes) == EBT_STATUS_LENGTH);
    CHECK(ebt_bytes_needed(model, 0, NULL, &bytes) == EBT_STATUS_MODEL);
    CHECK(ebt_bytes_needed(model, length - 1, NULL, &bytes) == EBT_STATUS_MODEL);
    CHECK(ebt_bytes_needed(model, length, (const ebt_options *)((const char *)&options + 1), &bytes) == EBT_STATUS_LENGTH);
    options.steps = 0;
    CHECK(ebt_bytes_needed(model, length, &options, &bytes) == EBT_STATUS_OPTION);
    CHECK(bytes == 0);

    CHECK(ebt_open(model, length, NULL, NULL, 0, &generator) == EBT_STATUS_NULL);
    CHECK(ebt_open(model, length, NULL, small, sizeof small, NULL) == EBT_STATUS_NULL);
    CHECK(ebt_open(model, length, NULL, small, 0, &generator) == EBT_STATUS_MEMORY);
    CHECK(ebt_open(model, length, NULL, small, sizeof small, &generator) == EBT_STATUS_MEMORY);
    CHECK(ebt_open(model, length, NULL, small, SIZE_MAX, &generator) == EBT_STATUS_LENGTH);
    CHECK(generator == NULL);

    CHECK(ebt_prompt(NULL, "a", 1) == EBT_STATUS_NULL);
    CHECK(ebt_prompt(open, NULL, 1) == EBT_STATUS_NULL);
    CHECK(ebt_prompt(open, "\xC4", 1) == EBT_STATUS_UTF8);
    CHECK(ebt_prompt((ebt_generator *)((char *)open + 1), "a", 1) == EBT_STATUS_LENGTH);
    ebt_options_default(&options);
    char *text = malloc(options.prompt + 1);
    memset(text, 'a', options.prompt + 1);
    CHECK(ebt_prompt(open, text, options.prompt + 1) == EBT_STATUS_PROMPT);
    free(text);
    const uint32_t none = UINT32_MAX;
    CHECK(ebt_accept(open, &none, 1) == EBT_STATUS_TOKEN);

    CHECK(ebt_next(NULL, NULL, NULL, NULL, piece, sizeof piece, &token) == EBT_STATUS_NULL);
    CHECK(ebt_next(open, NULL, NULL, NULL, NULL, 0, &token) == EBT_STATUS_NULL);
    CHECK(ebt_next(open, NULL, NULL, NULL, piece, sizeof piece, NULL) == EBT_STATUS_NULL);
    CHECK(ebt_next(open, NULL, NULL, NULL, piece, sizeof piece, &token) == EBT_STATUS_BUFFER);
    CHECK(ebt_close(NULL) == EBT_STATUS_NULL && ebt_reset(NULL) == EBT_STATUS_NULL);
    CHECK(strlen(ebt_version()) >= 5);
    for (int status = -20; status <= 2; status++)
        CHECK(strlen(ebt_strerror(status)) > 5);
    CHECK(strcmp(ebt_strerror(EBT_STATUS_MODEL), ebt_strerror(EBT_STATUS_MEMORY)) != 0);
    return 0;
}

/* What suggestions and scores told a callback. */
struct told {
    ebt_generator *generator;
    size_t number, bytes;
    double bits;
    float least;
};

static void on_scored(void *user, const ebt_scored *scored)
{
    struct told *told = user;
    if (scored->at != told->bytes || scored->bytes == NULL)
        told->number += 1000000;
    told->number++;
    told->bytes += scored->length;
    told->bits += (double)scored->bits;
}

static void on_suggestion(void *user, const ebt_suggestion *suggestion)
{
    struct told *told = user;
    if (suggestion->probability > told->least || ebt_reset(told->generator) != EBT_STATUS_BUSY)
        told->number += 1000000;
    told->number++;
    told->bytes += suggestion->length;
    told->least = suggestion->probability;
}

/* A text is scored, and words are finished without a trace. */
static int words_and_scores(ebt_generator *generator, const char *text)
{
    const char *typed = "Ankara'd";
    size_t bytes = 0, finished = 0, start = 99, length = strlen(text);
    ebt_score_sum score;
    struct told told = {generator, 0, 0, 0.0, 2.0f};
    CHECK(ebt_score(generator, NULL, text, length, on_scored, &told, &score) == EBT_STATUS_OK);
    CHECK(told.number == score.tokens && told.bytes == length && score.bytes == length && told.bits > 0.0);
    CHECK(fabs(told.bits - score.bits) <= 1e-9 * score.bits);
    CHECK(ebt_score(generator, NULL, "", 0, NULL, NULL, &score) == EBT_STATUS_OK && score.tokens == 0);
    CHECK(ebt_score(generator, NULL, "\xC4", 1, NULL, NULL, &score) == EBT_STATUS_UTF8);
    CHECK(ebt_score(generator, NULL, "a", 1, NULL, NULL, NULL) == EBT_STATUS_NULL);

    /* this tokenizer cuts text into lines */
    CHECK(ebt_finished(generator, "gel\ngit", 7, &finished) == EBT_STATUS_OK && finished == 4);
    CHECK(ebt_word_start(typed, strlen(typed), &start) == EBT_STATUS_OK && start == 0);
    ebt_suggest_options options;
    ebt_suggested done;
    CHECK(ebt_suggest_options_default(&options) == EBT_STATUS_OK && ebt_suggest_options_default(NULL) == EBT_STATUS_NULL);
    options.evaluations = 6;
    CHECK(ebt_suggest_bytes_needed(&options, &bytes) == EBT_STATUS_OK && bytes > 0);
    char *memory = malloc(bytes);
    told = (struct told){generator, 0, 0, 0.0, 2.0f};
#define SUGGEST(text, size, function) \
    ebt_suggest(generator, NULL, &options, text, strlen(text), memory, size, function, &told, &done)
    CHECK(SUGGEST(typed, bytes, on_suggestion) == EBT_STATUS_OK);
    CHECK(told.number == done.words && done.words <= options.words && done.evaluations <= 6 && done.observed > 0);
    CHECK(SUGGEST(typed, bytes - 4, on_suggestion) == EBT_STATUS_MEMORY);
    CHECK(SUGGEST(typed, bytes, NULL) == EBT_STATUS_NULL);
    CHECK(SUGGEST("\xC4", bytes, on_suggestion) == EBT_STATUS_UTF8);
    options.words = 0;
    CHECK(SUGGEST(typed, bytes, on_suggestion) == EBT_STATUS_SETTING);
    CHECK(ebt_suggest_bytes_needed(&options, &bytes) == EBT_STATUS_OPTION);
    CHECK(ebt_suggest_bytes_needed(NULL, &bytes) == EBT_STATUS_OK);
    free(memory);
    return 0;
}

int main(int count, char **words)
{
    size_t length = 0, bytes = 0, room = 0, vocabulary = 0;
    CHECK(count == 4);
    unsigned char *model = read_file(words[1], &length);
    CHECK(model != NULL);
    int tokens = atoi(words[3]);

    CHECK(ebt_bytes_needed(model, length, NULL, &bytes) == EBT_STATUS_OK);
    /* any alignment is good enough */
    char *memory = malloc(bytes + 1);
    ebt_generator *generator = NULL;
    int status = ebt_open(model, length, NULL, memory + 1, bytes, &generator);
    if (status != EBT_STATUS_OK)
        fprintf(stderr, "ebt_open: %s\n", ebt_strerror(status));
    CHECK(status == EBT_STATUS_OK && generator != NULL);
    CHECK(refusals(model, length, generator) == 0);
    CHECK(ebt_piece_bytes(generator, &room) == EBT_STATUS_OK && room > 3);
    CHECK(ebt_vocabulary(generator, &vocabulary) == EBT_STATUS_OK && vocabulary > 256);
    char *piece = malloc(room);
    ebt_token token;
    ebt_settings settings;
    CHECK(ebt_settings_default(&settings) == EBT_STATUS_OK);

    /* a number that names no choice is refused, and a cancelled token leaves the text as it was */
    settings.step_size = 99;
    CHECK(ebt_next(generator, &settings, NULL, NULL, piece, room, &token) == EBT_STATUS_SETTING);
    settings.step_size = EBT_STEP_MODEL;
    CHECK(ebt_prompt(generator, words[2], strlen(words[2])) == EBT_STATUS_OK);
    struct watch watch = {0, 1, 0.0f, generator};
    CHECK(ebt_next(generator, &settings, on_step, &watch, piece, room, &token) == EBT_STATUS_CANCELLED);
    CHECK(watch.steps == 1);

    settings.seed = 7;
    settings.certify = 1;
    for (int i = 0; i < tokens; i++) {
        watch = (struct watch){0, 0, 0.0f, generator};
        status = ebt_next(generator, &settings, on_step, &watch, piece, room, &token);
        if (status == EBT_STATUS_END)
            break;
        CHECK(status == EBT_STATUS_OK);
        CHECK(strlen(piece) == token.length && token.probability > 0.0f && token.probability <= 1.0f);
        CHECK(watch.steps == token.certificate.steps);
        CHECK(watch.last_energy == token.certificate.energies[token.certificate.steps - 1]);
        fputs(piece, stdout);
        fprintf(stderr, "%u:", (unsigned)token.id);
        for (uint32_t s = 0; s < token.certificate.steps; s++)
            fprintf(stderr, " %.9g", (double)token.certificate.energies[s]);
        fputc('\n', stderr);
    }
    fputc('\n', stdout);

    CHECK(words_and_scores(generator, words[2]) == 0);

    /* the same text again after a reset; then the handle is refused, and its memory is the caller's */
    CHECK(ebt_reset(generator) == EBT_STATUS_OK);
    CHECK(ebt_prompt(generator, words[2], strlen(words[2])) == EBT_STATUS_OK);
    CHECK(ebt_next(generator, &settings, NULL, NULL, piece, room, &token) >= EBT_STATUS_OK);
    CHECK(ebt_close(generator) == EBT_STATUS_OK);
    CHECK(ebt_close(generator) == EBT_STATUS_CLOSED);
    CHECK(ebt_prompt(generator, "a", 1) == EBT_STATUS_CLOSED);
    free(piece);
    free(memory);
    free(model);
    return 0;
}
