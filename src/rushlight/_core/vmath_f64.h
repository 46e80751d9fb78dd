/* vmath_f64.h -- the float64 functions of vmath.h, which includes this file. */
