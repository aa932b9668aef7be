/* A stand-in for NVIDIA's management library, for machines without a GPU: what the real one answers, by the
 * environment variable FAKE_NVML. Cards are A10Gs. Return codes are those of nvml.h.
 *
 *   fine          two cards                        mismatch      library and driver of two versions (18)
 *   not_loaded    no driver (9)                    forbidden     /dev/nvidia* may not be opened (4)
 *   lost          card 1 fell off the bus (15)     sparse        no utilisation, power or temperature (3)
 *   unknown       unknown error (999)              hang          utilisation never comes back
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int nvmlReturn_t;
typedef struct card *nvmlDevice_t;
typedef struct { unsigned int gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;

static char cards[2];
static int is(const char *mode) {
  const char *set = getenv("FAKE_NVML");
  return set && !strcmp(set, mode);
}
static int index_of(nvmlDevice_t device) { return (char *)device - cards; }
static int gone(nvmlDevice_t device) { return is("lost") && index_of(device) == 1; }
static nvmlReturn_t said(char *where, unsigned int length, const char *text) {
  strncpy(where, text, length);
  return 0;
}

static nvmlReturn_t driver(void) {
  return is("not_loaded") ? 9 : is("mismatch") ? 18 : is("forbidden") ? 4 : is("unknown") ? 999 : 0;
}

nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
  (void)flags;
  return driver();
}
nvmlReturn_t nvmlShutdown(void) { return 0; }
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
  *count = 2;
  return driver();
}
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
  *device = (nvmlDevice_t)(cards + index);
  return gone(*device) ? 15 : 0;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
  (void)device;
  return said(name, length, "NVIDIA A10G");
}
nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
  return said(version, length, "580.95.05");
}
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates) {
  if (is("hang")) for (;;) pause();
  rates->gpu = index_of(device) ? 0 : 92;
  rates->memory = 41;
  return is("sparse") ? 3 : 0;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
  (void)device;
  memory->total = 23028ULL << 20;
  memory->used = 20500ULL << 20;
  memory->free = memory->total - memory->used;
  return 0;
}
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts) {
  (void)device;
  *milliwatts = 214300;
  return is("sparse") ? 3 : 0;
}
nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *milliwatts) {
  (void)device;
  *milliwatts = 300000;
  return is("sparse") ? 3 : 0;
}
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int sensor, unsigned int *celsius) {
  (void)device;
  (void)sensor;
  *celsius = 67;
  return is("sparse") ? 3 : 0;
}
const char *nvmlErrorString(nvmlReturn_t result) { return result == 15 ? "GPU is lost" : "error"; }
