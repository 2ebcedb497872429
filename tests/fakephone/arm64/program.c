/* A program as the Android NDK builds one, in little: its entry point, its C library, a sentinel and a constructor. */
typedef struct stream stream;
extern char __sF[];
extern int *__errno(void);
extern int __system_property_get(const char *, char *);
extern void __libc_init(void *, void (*)(void), int (*)(int, char **, char **), const void *);
extern stream *fopen(const char *, const char *);
extern char *fgets(char *, int, stream *);
extern int fputs(const char *, stream *), fclose(stream *);
extern int fprintf(stream *, const char *, ...), printf(const char *, ...);
extern int strcmp(const char *, const char *), atoi(const char *), unlink(const char *);
extern void glClear(unsigned); /* of a library that only a phone has */

#define ERRORS ((stream *)(__sF + 2 * 152))
static int words;
static void construct(int argc, char **argv, char **environment) { words = argc; }
static void (*const own[])(int, char **, char **) = {(void (*)(int, char **, char **))-1, construct, 0};
static struct { const void *early, *own, *destructors; } constructors;

static int show(const char *path) {
    char line[256];
    stream *file = fopen(path, "r");
    if (!file) {
        fprintf(ERRORS, "no %s (%d)\n", path, *__errno());
        return 3;
    }
    while (fgets(line, sizeof line, file)) printf("%s", line);
    return fclose(file);
}

static int run(int argc, char **argv, char **environment) {
    char value[92];
    const char *verb = argv[1];
    if (words != argc) return 9;
    if (!strcmp(verb, "graphics")) {
        void (*volatile clear)(unsigned) = glClear;
        return clear != 0;
    }
    if (!strcmp(verb, "name")) return printf("%s\n", argv[0]) < 0;
    if (!strcmp(verb, "show")) return show(argv[2]);
    if (!strcmp(verb, "exit")) return atoi(argv[2]);
    if (!strcmp(verb, "crash")) return *(volatile int *)8;
    if (!strcmp(verb, "remove")) return unlink(argv[2]);
    if (!strcmp(verb, "property")) return __system_property_get(argv[2], value), printf("%s\n", value) < 0;
    if (!strcmp(verb, "spin"))
        for (volatile long i = 0;; i++)
            if (i == 0) printf("spinning\n");
    if (!strcmp(verb, "write")) {
        stream *file = fopen(argv[2], "w");
        return !file || fputs(argv[3], file) < 0 || fclose(file);
    }
    return 8;
}

void start(void *raw) {
    constructors.own = own;
    __libc_init(raw, 0, run, &constructors);
}
__asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n b start\n");
