/* scan.h -- what scan.c asks of the kernels in scan_kernel.c. */
#ifndef RL_SCAN_H
#define RL_SCAN_H

#include "row.h"

/* Scans m rows that lie on one line from where r stands. */
typedef void (*RLScan)(const Rows *r, int64_t m);

typedef enum { SCAN_SUM, SCAN_PROD, SCAN_MAX, SCAN_MIN, SCAN_KINDS } ScanKind;

/* float32, float64, int64, and extremes of int32; none for the other dtypes. */
extern const RLScan rl_scan_kernels_base[SCAN_KINDS][RL_NDTYPES];
#if defined(__x86_64__) || defined(_M_X64)
extern const RLScan rl_scan_kernels_avx2[SCAN_KINDS][RL_NDTYPES], rl_scan_kernels_avx512[SCAN_KINDS][RL_NDTYPES];
#endif

#endif
