/* The executable of the bundle: finds the bundled Python beside itself and starts `python -m droid_tune`.
 *
 * It is also the bundle's `sys.executable`. Python starts children of its own as `sys.executable -c ...` or
 * `-m ...` (multiprocessing, the rewards' child), so a first argument that is one of Python's short options or a script
 * is handed to Python as it stands; everything else belongs to `droid-tune`.
 *
 * The interpreter is isolated: no PYTHON* variable, no user site-packages. The bundle carries no byte code (it would make
 * it a fifth larger) and is never written to: byte code is kept in the user's cache folder. Python trusts it by the time
 * and size of its source; the builder gives the files of every build a time of their own.
 *
 * Compiled with PYTHON_LIBRARY and PYTHON_HOME, both relative to the folder `Contents`.
 */
#include <Python.h>

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#define USER_CACHE "Library/Caches"
#else
#define USER_CACHE ".cache"
#endif
#include <pwd.h>
#include <unistd.h>

#define FAILED 1

/* The functions of Python that are needed, found in the library by name. */
static struct {
    __typeof__(&PyPreConfig_InitIsolatedConfig) pre_config;
    __typeof__(&Py_PreInitialize) pre_initialize;
    __typeof__(&PyConfig_InitIsolatedConfig) config;
    __typeof__(&PyConfig_SetBytesString) set_string;
    __typeof__(&PyConfig_SetBytesArgv) set_arguments;
    __typeof__(&PyConfig_Clear) clear;
    __typeof__(&Py_InitializeFromConfig) initialize;
    __typeof__(&PyStatus_Exception) is_exception;
    __typeof__(&Py_ExitStatusException) leave;
    __typeof__(&Py_RunMain) run;
} python;

static int own_path(char path[PATH_MAX])
{
#ifdef __APPLE__
    char unresolved[PATH_MAX];
    uint32_t size = sizeof unresolved;
    return _NSGetExecutablePath(unresolved, &size) == 0 && realpath(unresolved, path) != NULL;
#else
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (length > 0)
        path[length] = '\0';
    return length > 0;
#endif
}

/* `Contents/MacOS/droid-tune` lies two levels below `Contents`. */
static int contents_folder(const char *executable, char folder[PATH_MAX])
{
    strcpy(folder, executable);
    for (int level = 0; level < 2; level++) {
        char *slash = strrchr(folder, '/');
        if (slash == NULL)
            return 0;
        *slash = '\0';
    }
    return 1;
}

static int join(char result[PATH_MAX], const char *folder, const char *name)
{
    return snprintf(result, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

/* The folder for byte code: as `droid_tune.paths.cache_dir()` has it, DROID_TUNE_HOME included. */
static int byte_code_folder(char folder[PATH_MAX])
{
    const char *chosen = getenv("DROID_TUNE_HOME");
    if (chosen != NULL && chosen[0] == '/')
        return join(folder, chosen, "cache/bytecode");
#ifndef __APPLE__
    const char *cache = getenv("XDG_CACHE_HOME");
    if (cache != NULL && cache[0] == '/')
        return join(folder, cache, "Droid Tune/bytecode");
#endif
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/') {
        struct passwd *user = getpwuid(getuid());
        home = user == NULL ? NULL : user->pw_dir;
    }
    return home != NULL && join(folder, home, USER_CACHE "/Droid Tune/bytecode");
}

static int find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "droid-tune: the bundled Python lacks %s; please install the application again.\n", name);
        return 0;
    }
    memcpy(function, &found, sizeof found);
    return 1;
}

static int load_python(const char *path)
{
    /* Global, because extension modules take Python's symbols from the process. */
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        fprintf(stderr, "droid-tune: %s; please install the application again.\n", dlerror());
        return 0;
    }
    return find(library, "PyPreConfig_InitIsolatedConfig", &python.pre_config) &&
           find(library, "Py_PreInitialize", &python.pre_initialize) &&
           find(library, "PyConfig_InitIsolatedConfig", &python.config) &&
           find(library, "PyConfig_SetBytesString", &python.set_string) &&
           find(library, "PyConfig_SetBytesArgv", &python.set_arguments) &&
           find(library, "PyConfig_Clear", &python.clear) &&
           find(library, "Py_InitializeFromConfig", &python.initialize) &&
           find(library, "PyStatus_Exception", &python.is_exception) &&
           find(library, "Py_ExitStatusException", &python.leave) && find(library, "Py_RunMain", &python.run);
}

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* -c, -m, -I, -u, -X... or a script; but not -h, which is ours, and not -psn_..., which old Finders add. */
static int is_for_python(const char *argument)
{
    if (ends_with(argument, ".py"))
        return 1;
    return argument[0] == '-' && argument[1] != '\0' && argument[1] != '-' && argument[1] != 'h' &&
           strncmp(argument, "-psn_", 5) != 0;
}

/* What Python is to see: the arguments as they are, or `-m droid_tune` before them. */
static char **python_arguments(int argc, char **argv, int *count)
{
    if (argc > 1 && is_for_python(argv[1])) {
        *count = argc;
        return argv;
    }
    char **arguments = calloc((size_t)argc + 3, sizeof *arguments);
    if (arguments == NULL)
        return NULL;
    int n = 0;
    arguments[n++] = argv[0];
    arguments[n++] = "-m";
    arguments[n++] = "droid_tune";
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "-psn_", 5) != 0)
            arguments[n++] = argv[i];
    *count = n;
    return arguments;
}

static void require(PyStatus status)
{
    if (python.is_exception(status))
        python.leave(status);
}

static void initialize(const char *executable, const char *home, int argc, char **argv)
{
    PyPreConfig before;
    python.pre_config(&before);
    before.utf8_mode = 1; /* a process started by Finder has no locale */
    require(python.pre_initialize(&before));

    PyConfig config;
    python.config(&config);
    config.parse_argv = 1;
    char byte_code[PATH_MAX];
    config.write_bytecode = byte_code_folder(byte_code);
    if (config.write_bytecode)
        require(python.set_string(&config, &config.pycache_prefix, byte_code));
    config.install_signal_handlers = 1; /* Ctrl-C in a terminal */
    config.configure_c_stdio = 1;       /* -u */
    require(python.set_string(&config, &config.executable, executable));
    require(python.set_string(&config, &config.base_executable, executable));
    require(python.set_string(&config, &config.home, home));
    require(python.set_arguments(&config, argc, argv));
    require(python.initialize(&config));
    python.clear(&config);
}

int main(int argc, char **argv)
{
    char executable[PATH_MAX], contents[PATH_MAX], library[PATH_MAX], home[PATH_MAX];
    if (!own_path(executable) || !contents_folder(executable, contents) ||
        !join(library, contents, PYTHON_LIBRARY) || !join(home, contents, PYTHON_HOME)) {
        fprintf(stderr, "droid-tune: the application could not find its own folder.\n");
        return FAILED;
    }
#ifdef __APPLE__
    /* Long kernels would otherwise be cut off by the GPU's watchdog; it must be set before Metal starts. */
    setenv("AGX_RELAX_CDM_CTXSTORE_TIMEOUT", "1", 0);
#endif
    int count = 0;
    char **arguments = python_arguments(argc, argv, &count);
    if (arguments == NULL || !load_python(library))
        return FAILED;
    initialize(executable, home, count, arguments);
    return python.run();
}
