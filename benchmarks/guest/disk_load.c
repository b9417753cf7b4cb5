// Reads or writes a disk past the page cache, so that what is measured is the way to the disk.
//
//     disk_load DEVICE seqread|seqwrite|randread BYTES-A-REQUEST REQUESTS
//
// Prints a sum over what was read: every machine must find the same.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(int count, char **words) {
  if (count != 5) return 2;
  const int writes = strcmp(words[2], "seqwrite") == 0;
  const int random = strcmp(words[2], "randread") == 0;
  const size_t size = strtoul(words[3], NULL, 0);
  const uint64_t requests = strtoul(words[4], NULL, 0);
  const int disk = open(words[1], O_DIRECT | O_RDWR);
  if (disk < 0) return fail(words[1]);
  const uint64_t blocks = (uint64_t)lseek(disk, 0, SEEK_END) / size;
  void *buffer = NULL;
  if (posix_memalign(&buffer, 4096, size) != 0) return fail("memory");
  memset(buffer, 0x5a, size);
  uint64_t sequence = 88172645463325252u, sum = 0;
  for (uint64_t i = 0; i < requests; ++i) {
    sequence ^= sequence << 13;
    sequence ^= sequence >> 7;
    sequence ^= sequence << 17;
    const off_t at = (off_t)((random ? sequence % blocks : i % blocks) * size);
    const ssize_t done = writes ? pwrite(disk, buffer, size, at) : pread(disk, buffer, size, at);
    if (done != (ssize_t)size) return fail(words[2]);
    sum = sum * 31 + *(const uint64_t *)buffer;
  }
  if (writes && fsync(disk) != 0) return fail("fsync");
  printf("SUM %016llx\n", (unsigned long long)sum);
  return 0;
}
