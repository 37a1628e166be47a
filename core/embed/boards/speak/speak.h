/* A program for any board: continues a Turkish prompt on 80 KB of memory and says whether every bit is as it must be. */

#ifndef SPEAK_H
#define SPEAK_H

#ifdef __cplusplus
extern "C" {
#endif

/* Prints text, which ends with a 0: whole characters of UTF-8, as they come. */
typedef void (*speak_print)(const char *text);

/* Speaks. 0: what was said is what every machine says; else the status of ebt.h that went wrong, or 1 where other bits came out. */
int speak(speak_print print);

#ifdef __cplusplus
}
#endif

#endif
