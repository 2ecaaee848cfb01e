/* Functions that a library built against glibc 2.38 needs, and an older glibc has under their plain names. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#undef strtol
#undef strtoul

long __isoc23_strtol(const char *text, char **end, int base) { return strtol(text, end, base); }
unsigned long __isoc23_strtoul(const char *text, char **end, int base) { return strtoul(text, end, base); }

int __isoc23_sscanf(const char *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int count = vsscanf(text, format, arguments);
    va_end(arguments);
    return count;
}
