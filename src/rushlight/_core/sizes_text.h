/* sizes_text.h -- lists of numbers as error messages spell them: "1, 3, 8, 8", "2 x 2". */
#ifndef RL_SIZES_TEXT_H
#define RL_SIZES_TEXT_H
#include "rl.h"

typedef struct { char s[RL_MAXDIM * 24]; } SizesText;

static inline const char *rl_sizes_text(SizesText *text, Ints v, const char *joiner) {
    size_t at = 0;
    text->s[0] = 0;
    for (int i = 0; i < v.n && at < sizeof text->s; i++)
        at += (size_t)snprintf(text->s + at, sizeof text->s - at, "%s%lld", i ? joiner : "", (long long)v.v[i]);
    return text->s;
}

static inline const char *rl_shape_text(SizesText *text, const Tensor *t) {
    return rl_sizes_text(text, (Ints){t->size, t->ndim}, ", ");
}

#endif
