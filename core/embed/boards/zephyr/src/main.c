#include <stdio.h>

#include "speak.h"

static void print(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

int main(void)
{
    return speak(print);
}
