/* The little of CPython's configuration that its public headers need to describe PyConfig on a 64-bit Mac.
 * The real one is written by configure on a Mac; the launcher only fills in PyConfig and calls functions by name. */
#ifndef Py_PYCONFIG_H
#define Py_PYCONFIG_H

#define HAVE_STDDEF_H 1
#define HAVE_STDINT_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define HAVE_PTHREAD_H 1
#define HAVE_WCHAR_H 1
#define HAVE_BUILTIN_ATOMIC 1
#define HAVE_STD_ATOMIC 1
#define SIZEOF_INT 4
#define SIZEOF_LONG 8
#define SIZEOF_LONG_LONG 8
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_PTHREAD_T 8
#define SIZEOF_WCHAR_T 4
#define SIZEOF_TIME_T 8
#define SIZEOF_DOUBLE 8
#define SIZEOF_PID_T 4
#define ALIGNOF_SIZE_T 8
#define WITH_DOC_STRINGS 1

#endif
