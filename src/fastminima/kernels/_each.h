/* Includes FM_BODY once per variant in float64, and in float32 too unless FM_FLOAT64_ONLY is defined. */

#define FM_WORDS FM_PLAIN_F64
#include "_words.h"
#include FM_BODY
#include "_words_end.h"
#ifdef FM_HAVE_VECTOR16
#define FM_WORDS FM_V16_F64
#include "_words.h"
#include FM_BODY
#include "_words_end.h"
#endif
#ifdef FM_HAVE_X86
#define FM_WORDS FM_AVX2_F64
#include "_words.h"
#include FM_BODY
#include "_words_end.h"
#define FM_WORDS FM_AVX512_F64
#include "_words.h"
#include FM_BODY
#include "_words_end.h"
#endif

#ifndef FM_FLOAT64_ONLY
#define FM_WORDS FM_PLAIN_F32
#include "_words.h"
#include FM_BODY
#include "_words_end.h"
#ifdef FM_HAVE_VECTOR16
#define FM_WORDS FM_V16_F32
#include "_words.h"
#include FM_BODY
#include "_words_end.h"
#endif
#ifdef FM_HAVE_X86
#define FM_WORDS FM_AVX2_F32
#include "_words.h"
#include FM_BODY
#include "_words_end.h"
#define FM_WORDS FM_AVX512_F32
#include "_words.h"
#include FM_BODY
#include "_words_end.h"
#endif
#endif

#undef FM_BODY
#undef FM_FLOAT64_ONLY
