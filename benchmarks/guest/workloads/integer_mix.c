// Ordinary integer code of four kinds in turn: a list sorted by merging (pointers), a product of
// small matrices (arithmetic), a state machine over text (branches), a bitwise CRC (data
// dependencies).

#include <stdlib.h>
#include <string.h>

#include "workload.h"

struct node {
  struct node* next;
  int16_t key;
  uint16_t tag;
};

static struct node* merge(struct node* a, struct node* b, int by_tag) {
  struct node head, *t = &head;
  while (a && b) {
    int le = by_tag ? a->tag <= b->tag : a->key <= b->key;
    if (le) {
      t->next = a;
      a = a->next;
    } else {
      t->next = b;
      b = b->next;
    }
    t = t->next;
  }
  t->next = a ? a : b;
  return head.next;
}

static struct node* msort(struct node* l, int by_tag) {
  if (!l || !l->next) return l;
  struct node *s = l, *f = l->next;
  while (f && f->next) {
    s = s->next;
    f = f->next->next;
  }
  struct node* r = s->next;
  s->next = NULL;
  return merge(msort(l, by_tag), msort(r, by_tag), by_tag);
}

static uint16_t crc16(uint16_t c, uint32_t v, int bits) {
  for (int i = 0; i < bits; i++, v >>= 1) {
    unsigned x = (v ^ c) & 1;
    c >>= 1;
    if (x) c ^= 0xA001;
  }
  return c;
}

enum st { S_START, S_SIGN, S_INT, S_DOT, S_FRAC, S_EXP, S_EXPSIGN, S_BAD, S_N };
static void machine(const char* p, size_t n, uint32_t cnt[S_N]) {
  enum st s = S_START;
  for (size_t i = 0; i < n; i++) {
    char c = p[i];
    if (c == ',') {
      cnt[s]++;
      s = S_START;
      continue;
    }
    switch (s) {
      case S_START:
        if (c == '+' || c == '-')
          s = S_SIGN;
        else if (c >= '0' && c <= '9')
          s = S_INT;
        else if (c == '.')
          s = S_DOT;
        else
          s = S_BAD;
        break;
      case S_SIGN:
        s = c >= '0' && c <= '9' ? S_INT : c == '.' ? S_DOT : S_BAD;
        break;
      case S_INT:
        if (c == '.')
          s = S_FRAC;
        else if (c == 'e')
          s = S_EXP;
        else if (c < '0' || c > '9')
          s = S_BAD;
        break;
      case S_DOT:
        s = c >= '0' && c <= '9' ? S_FRAC : S_BAD;
        break;
      case S_FRAC:
        if (c == 'e')
          s = S_EXP;
        else if (c < '0' || c > '9')
          s = S_BAD;
        break;
      case S_EXP:
        s = c == '+' || c == '-' || (c >= '0' && c <= '9') ? S_EXPSIGN : S_BAD;
        break;
      case S_EXPSIGN:
        if (c < '0' || c > '9') s = S_BAD;
        break;
      default:
        break;
    }
  }
  cnt[s]++;
}
#define MN 40
uint64_t run_intmix(uint32_t n) {
  enum { LN = 2000, TN = 8192 };
  static struct node nodes[LN];
  static int16_t A[MN][MN], B[MN][MN];
  static int32_t C[MN][MN];
  static char text[TN];
  static const char alpha[] = "0123456789012345678901234567890+-..,,,,,,eex";
  uint64_t s = 1, h = 0;
  for (int i = 0; i < TN; i++) text[i] = alpha[next_random(&s) % (sizeof alpha - 1)];
  for (int i = 0; i < MN; i++)
    for (int j = 0; j < MN; j++) {
      A[i][j] = (int16_t)next_random(&s);
      B[i][j] = (int16_t)next_random(&s);
    }
  for (uint32_t it = 0; it < n; it++) {
    for (int i = 0; i < LN; i++) {
      nodes[i].key = (int16_t)next_random(&s);
      nodes[i].tag = (uint16_t)i;
      nodes[i].next = i + 1 < LN ? &nodes[i + 1] : NULL;
    }
    struct node* l = msort(nodes, 0);
    uint16_t crc = 0;
    for (struct node* p = l; p; p = p->next) crc = crc16(crc, (uint16_t)p->key, 16);
    l = msort(l, 1);
    crc = crc16(crc, (uint32_t)(l->key & 0xffff), 16);
    for (int i = 0; i < MN; i++)
      for (int j = 0; j < MN; j++) {
        int32_t acc = 0;
        for (int k = 0; k < MN; k++) acc += (int32_t)((uint32_t)(A[i][k] * B[k][j]) & 0xffffff);
        C[i][j] = acc;
      }
    for (int i = 0; i < MN; i++) A[i][(i * 7 + it) % MN] ^= (int16_t)C[i][i];
    uint32_t cnt[S_N] = {0};
    const uint32_t where = next_random(&s) % TN;
    text[where] = alpha[next_random(&s) % (sizeof alpha - 1)];
    machine(text, TN, cnt);
    for (int i = 0; i < S_N; i++) crc = crc16(crc, cnt[i], 32);
    h = mix(h, crc);
  }
  return h;
}
