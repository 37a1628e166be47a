#include "speak.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ebt.h"
#include "expected.h"

/* model.S: the packed model, in flash, where it is read. */
extern const unsigned char speak_model[], speak_model_end[];

/* Everything that is written while text is generated. */
static _Alignas(8) unsigned char memory[SPEAK_MEMORY];

/* FNV-1a over bytes, which tells a flipped bit anywhere. */
static uint32_t folded(uint32_t sum, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    while (length-- > 0)
        sum = (sum ^ *at++) * 16777619u;
    return sum;
}

/* A number of eight hexadecimal digits. */
static void hexadecimal(uint32_t number, char *text)
{
    for (int place = 7; place >= 0; place--, number >>= 4)
        text[place] = "0123456789abcdef"[number & 15];
    text[8] = 0;
}

static int generate(ebt_generator *generator, speak_print print, uint32_t *sum)
{
    char piece[256];
    ebt_settings settings;
    ebt_settings_default(&settings);
    settings.seed = 1;
    settings.temperature = 0.7f;
    int status = ebt_prompt(generator, SPEAK_PROMPT, strlen(SPEAK_PROMPT));
    print(SPEAK_PROMPT);
    for (int i = 0; i < SPEAK_TOKENS && status == EBT_STATUS_OK; i++) {
        ebt_token token;
        status = ebt_next(generator, &settings, NULL, NULL, piece, sizeof piece, &token);
        if (status < 0)
            break;
        print(piece);
        if (status == EBT_STATUS_OK) {
            *sum = folded(*sum, &token.id, sizeof token.id);
            *sum = folded(*sum, &token.probability, sizeof token.probability);
        }
    }
    print("\n");
    return status < 0 ? status : 0;
}

int speak(speak_print print)
{
    char digits[9];
    size_t needed = 0, length = (size_t)(speak_model_end - speak_model);
    uint32_t sum = 2166136261u;
    ebt_generator *generator = NULL;
    ebt_options options;
    ebt_options_default(&options);
    options.block = 1;
    options.steps = 2;
    options.prompt = 64;
    options.trials = 0;
    options.cache = EBT_CACHE_INT8;
    int status = ebt_bytes_needed(speak_model, length, &options, &needed);
    if (status == EBT_STATUS_OK)
        status = ebt_open(speak_model, length, &options, memory, sizeof memory, &generator);
    if (status == EBT_STATUS_OK)
        status = generate(generator, print, &sum);
    if (status != EBT_STATUS_OK) {
        print(ebt_strerror(status));
        print("\n");
        return status;
    }
    hexadecimal(sum, digits);
    print("checksum ");
    print(digits);
    print(sum == SPEAK_CHECKSUM ? ": the bits of every other machine\n" : ": NOT the bits of other machines\n");
    return sum == SPEAK_CHECKSUM ? 0 : 1;
}
