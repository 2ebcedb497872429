/*
 * Android's C library (bionic, AArch64) on top of glibc, as far as a command-line program such as TensorFlow Lite's
 * benchmark_model needs it. What both libraries have alike is glibc's own; here is what they have differently:
 * start-up, standard streams, errno, constants of sysconf, sizes of types, Android's properties and log. Facts:
 * bionic's public headers (libc/include) and libc/bionic/libc_init_dynamic.cpp.
 *
 * Files: the folder EVIT_NAS_PHONE_ROOT stands for the phone's `/`. Time: a clock of this process's own CPU time, so
 * that other work on the machine does not count.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* glibc's function of that name */
#define NEXT(name)                                              \
    static __typeof__(name) *next;                              \
    if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/*
 * Programs read their stack guard from the thread pointer + 0x28, one of bionic's slots. glibc lays the thread's
 * variables out from the thread pointer + 16 on, the first library's first: 48 bytes that nobody writes keep the guard
 * what it is, also where the program's own variables begin at + 64.
 */
__thread volatile char bionic_slots[48] __attribute__((aligned(8)));

/* ---- start-up ---- */

typedef void (*constructor)(int, char **, char **);
struct constructors {
    constructor *early, *own;
    void (**destructors)(void);
};

static void construct(constructor *all, int argc, char **argv) {
    for (; all && *all; all++)
        if (*all != (constructor)-1) (*all)(argc, argv, environ); /* -1 is a sentinel at their start */
}

void __libc_init(void *raw, void (*at_exit)(void), int (*main)(int, char **, char **), const struct constructors *own) {
    int argc = (int)*(long *)raw;
    char **argv = (char **)((long *)raw + 1);
    (void)at_exit;
    environ = argv + argc + 1;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a program that is killed has said what it said */
    construct(own->early, argc, argv);
    construct(own->own, argc, argv);
    exit(main(argc, argv, environ));
}

/* ---- files: absolute paths lie below the phone's root, apart from devices and what is the process's own ---- */

static int starts_with(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static const char *here(const char *path, char *space) {
    const char *root = getenv("EVIT_NAS_PHONE_ROOT");
    if (!path || !root || path[0] != '/' || starts_with(path, "/dev") || starts_with(path, "/proc/self")) return path;
    if (starts_with(path, root)) return path;
    snprintf(space, PATH_MAX, "%s%s", root, path);
    return space;
}

#define ON_PATH(type, name, parameters, path, arguments) \
    type name parameters {                               \
        char space[PATH_MAX];                            \
        NEXT(name);                                      \
        path = here(path, space);                        \
        return next arguments;                           \
    }

ON_PATH(FILE *, fopen, (const char *path, const char *mode), path, (path, mode))
ON_PATH(DIR *, opendir, (const char *path), path, (path))
ON_PATH(int, access, (const char *path, int mode), path, (path, mode))
ON_PATH(int, stat, (const char *path, struct stat *into), path, (path, into))
ON_PATH(int, lstat, (const char *path, struct stat *into), path, (path, into))
ON_PATH(int, chmod, (const char *path, mode_t mode), path, (path, mode))
ON_PATH(int, mkdir, (const char *path, mode_t mode), path, (path, mode))
ON_PATH(int, rmdir, (const char *path), path, (path))
ON_PATH(int, unlink, (const char *path), path, (path))
ON_PATH(int, remove, (const char *path), path, (path))
ON_PATH(ssize_t, readlink, (const char *path, char *into, size_t size), path, (path, into, size))
ON_PATH(char *, realpath, (const char *path, char *into), path, (path, into))
ON_PATH(int, __open_2, (const char *path, int flags), path, (path, flags))

int rename(const char *from, const char *to) {
    char spaces[2][PATH_MAX];
    NEXT(rename);
    return next(here(from, spaces[0]), here(to, spaces[1]));
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    char space[PATH_MAX];
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return (int)syscall(SYS_openat, AT_FDCWD, here(path, space), flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    char space[PATH_MAX];
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return (int)syscall(SYS_openat, folder, here(path, space), flags, mode);
}

/* ---- standard streams: below API 23 three elements of an array ---- */

#define FILE_BYTES 152
char __sF[3 * FILE_BYTES];

static FILE *own(FILE *stream) {
    char *at = (char *)stream;
    if (at < __sF || at >= __sF + sizeof __sF) return stream;
    return at == __sF ? stdin : at == __sF + FILE_BYTES ? stdout : stderr;
}

#define ON_STREAM(type, name, parameters, arguments) \
    type name parameters {                           \
        NEXT(name);                                  \
        stream = own(stream);                        \
        return next arguments;                       \
    }

ON_STREAM(int, fclose, (FILE *stream), (stream))
ON_STREAM(int, fflush, (FILE *stream), (stream))
ON_STREAM(int, fileno, (FILE *stream), (stream))
ON_STREAM(int, feof, (FILE *stream), (stream))
ON_STREAM(int, ferror, (FILE *stream), (stream))
ON_STREAM(void, clearerr, (FILE *stream), (stream))
ON_STREAM(int, setvbuf, (FILE *stream, char *buffer, int mode, size_t size), (stream, buffer, mode, size))
ON_STREAM(int, fputc, (int c, FILE *stream), (c, stream))
ON_STREAM(int, putc, (int c, FILE *stream), (c, stream))
ON_STREAM(int, fputs, (const char *text, FILE *stream), (text, stream))
ON_STREAM(size_t, fwrite, (const void *from, size_t size, size_t n, FILE *stream), (from, size, n, stream))
ON_STREAM(int, vfprintf, (FILE *stream, const char *format, va_list values), (stream, format, values))
ON_STREAM(int, fgetc, (FILE *stream), (stream))
ON_STREAM(int, getc, (FILE *stream), (stream))
ON_STREAM(int, ungetc, (int c, FILE *stream), (c, stream))
ON_STREAM(char *, fgets, (char *into, int size, FILE *stream), (into, size, stream))
ON_STREAM(size_t, fread, (void *into, size_t size, size_t n, FILE *stream), (into, size, n, stream))
ON_STREAM(int, vfscanf, (FILE *stream, const char *format, va_list values), (stream, format, values))
ON_STREAM(int, fseek, (FILE *stream, long offset, int whence), (stream, offset, whence))
ON_STREAM(int, fseeko, (FILE *stream, off_t offset, int whence), (stream, offset, whence))
ON_STREAM(long, ftell, (FILE *stream), (stream))
ON_STREAM(off_t, ftello, (FILE *stream), (stream))

int fprintf(FILE *stream, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int written = vfprintf(stream, format, values);
    va_end(values);
    return written;
}

int fscanf(FILE *stream, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int taken = vfscanf(stream, format, values);
    va_end(values);
    return taken;
}

/* ---- time ---- */

static const clockid_t CLOCKS[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
static struct timespec begun[2];

__attribute__((constructor)) static void begin(void) {
    for (int i = 0; i < 2; i++) syscall(SYS_clock_gettime, CLOCKS[i], &begun[i]);
}

static void now(int clock, struct timespec *into) {
    struct timespec spent;
    syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &spent);
    long ns = begun[clock].tv_nsec + spent.tv_nsec;
    into->tv_sec = begun[clock].tv_sec + spent.tv_sec + ns / 1000000000;
    into->tv_nsec = ns % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *into) {
    if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
        return (int)syscall(SYS_clock_gettime, clock, into);
    now(clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? 0 : 1, into);
    return 0;
}

int gettimeofday(struct timeval *into, void *zone) {
    struct timespec moment;
    (void)zone;
    now(0, &moment);
    into->tv_sec = moment.tv_sec;
    into->tv_usec = moment.tv_nsec / 1000;
    return 0;
}

/* ---- what is named or sized differently ---- */

int *__errno(void) { return &errno; }

size_t __strlen_chk(const char *text, size_t size) {
    size_t length = strlen(text);
    if (length >= size) abort();
    return length;
}

extern int __xpg_strerror_r(int, char *, size_t);
char *strerror_r(int number, char *into, size_t size) { return (char *)(long)__xpg_strerror_r(number, into, size); }

static const int CONSTANTS[][2] = {
    {0x06, _SC_CLK_TCK},          {0x0b, _SC_OPEN_MAX},         {0x27, _SC_PAGESIZE},  {0x28, _SC_PAGESIZE},
    {0x60, _SC_NPROCESSORS_CONF}, {0x61, _SC_NPROCESSORS_ONLN}, {0x62, _SC_PHYS_PAGES}, {0x63, _SC_AVPHYS_PAGES},
};

long sysconf(int name) {
    NEXT(sysconf);
    for (size_t i = 0; i < sizeof CONSTANTS / sizeof *CONSTANTS; i++)
        if (CONSTANTS[i][0] == name) return next(CONSTANTS[i][1]);
    errno = EINVAL;
    return -1;
}

#define SIGNAL_SET_BYTES 8 /* glibc's is 128: its functions would write beyond a caller's */
int sigemptyset(sigset_t *set) { return memset(set, 0, SIGNAL_SET_BYTES) == NULL; }
int sigfillset(sigset_t *set) { return memset(set, 0xff, SIGNAL_SET_BYTES) == NULL; }

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
    return syscall(SYS_rt_sigprocmask, how, set, old, SIGNAL_SET_BYTES) ? errno : 0;
}

/* mutexes have 40 bytes there, 48 here, of which glibc uses fewer than 40; its own initialisation clears all 48 */
#define MUTEX_BYTES 40
int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes) {
    pthread_mutex_t made;
    NEXT(pthread_mutex_init);
    int problem = next(&made, attributes);
    if (!problem) memcpy(mutex, &made, MUTEX_BYTES);
    return problem;
}

struct mallinfo2 memory_in_use(void) { return mallinfo2(); } /* bionic's mallinfo counts in size_t */
__asm__(".globl mallinfo\n.type mallinfo, %function\nmallinfo: b memory_in_use\n");

/* ---- Android's own ---- */

#define PROPERTY_BYTES 92
int __system_property_get(const char *name, char *value) {
    char line[512];
    size_t length = strlen(name);
    FILE *file = fopen("/system/build.prop", "r");
    value[0] = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, name, length) || line[length] != '=') continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(value, PROPERTY_BYTES, "%s", line + length + 1);
        break;
    }
    if (file) fclose(file);
    return (int)strlen(value);
}

/* the log goes nowhere: a phone's shell does not show it either */
int __android_log_write(int priority, const char *tag, const char *text) {
    (void)priority, (void)tag, (void)text;
    return 1;
}
int __android_log_print(int priority, const char *tag, const char *format, ...) {
    (void)priority, (void)tag, (void)format;
    return 1;
}
int __android_log_vprint(int priority, const char *tag, const char *format, va_list values) {
    (void)priority, (void)tag, (void)format, (void)values;
    return 1;
}
void openlog(const char *name, int options, int facility) { (void)name, (void)options, (void)facility; }
void closelog(void) {}
void syslog(int priority, const char *format, ...) { (void)priority, (void)format; }
void android_set_abort_message(const char *text) { fputs(text, stderr), fputc('\n', stderr); }
