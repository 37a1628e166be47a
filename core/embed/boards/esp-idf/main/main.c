#include <stdio.h>

#include "speak.h"

static void print(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

void app_main(void)
{
    speak(print);
}
