#include <stdio.h>

#include "pico/stdlib.h"
#include "speak.h"

static void print(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

int main(void)
{
    stdio_init_all();
    for (;;) {
        sleep_ms(5000);
        speak(print);
    }
}
