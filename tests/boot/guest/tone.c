/* Plays 1000 Hz on the left and 2000 Hz on the right for a second, through /dev/dsp.
 *
 *   tone RATE
 *
 * The rate it asks for is the rate the card must run at.
 */
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/soundcard.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void set(int device, unsigned long request, int wanted, const char *what) {
  int value = wanted;
  if (ioctl(device, request, &value) < 0) fail(what);
  if (value != wanted) {
    printf("%s: %d in place of %d\n", what, value, wanted);
    exit(1);
  }
}

int main(int argc, char **argv) {
  int rate = argc > 1 ? atoi(argv[1]) : 48000;
  int mixer = open("/dev/mixer", O_RDWR);
  if (mixer < 0) fail("/dev/mixer");
  /* Cards wake up mute. */
  int loud = 100 | 100 << 8;
  if (ioctl(mixer, SOUND_MIXER_WRITE_VOLUME, &loud) < 0) fail("volume");
  loud = 75 | 75 << 8;
  if (ioctl(mixer, SOUND_MIXER_WRITE_PCM, &loud) < 0) fail("pcm");
  int dsp = open("/dev/dsp", O_WRONLY);
  if (dsp < 0) fail("/dev/dsp");
  set(dsp, SNDCTL_DSP_SETFMT, AFMT_S16_LE, "format");
  set(dsp, SNDCTL_DSP_CHANNELS, 2, "channels");
  set(dsp, SNDCTL_DSP_SPEED, rate, "rate");
  int16_t *samples = malloc(rate * 4);
  for (int i = 0; i < rate; ++i) {
    samples[2 * i] = (int16_t)lrint(12000 * sin(2 * M_PI * 1000 * i / rate));
    samples[2 * i + 1] = (int16_t)lrint(6000 * sin(2 * M_PI * 2000 * i / rate));
  }
  for (int done = 0; done < rate * 4;) {
    ssize_t count = write(dsp, (char *)samples + done, rate * 4 - done);
    if (count <= 0) fail("write");
    done += count;
  }
  if (ioctl(dsp, SNDCTL_DSP_SYNC, 0) < 0) fail("sync");
  printf("tone played\n");
  return 0;
}
