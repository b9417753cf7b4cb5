// A stack machine that dispatches by `switch`: one indirect jump for each step, with targets that
// only the history of jumps predicts.

#include <string.h>

#include "workload.h"

enum op { PUSH, LOAD, STORE, ADD, SUB, MUL, AND, SHR, LT, JZ, JMP, DUP, XOR, LDX, STX, HALT };
static uint64_t vm(const uint8_t* code, uint32_t* mem) {
  uint32_t st[32], sp = 0, pc = 0, a;
  uint64_t steps = 0;
  for (;;) {
    steps++;
    switch (code[pc++]) {
      case PUSH:
        st[sp++] = code[pc] | (uint32_t)code[pc + 1] << 8;
        pc += 2;
        break;
      case LOAD:
        st[sp++] = mem[code[pc++]];
        break;
      case STORE:
        mem[code[pc++]] = st[--sp];
        break;
      case ADD:
        a = st[--sp];
        st[sp - 1] += a;
        break;
      case SUB:
        a = st[--sp];
        st[sp - 1] -= a;
        break;
      case MUL:
        a = st[--sp];
        st[sp - 1] *= a;
        break;
      case AND:
        a = st[--sp];
        st[sp - 1] &= a;
        break;
      case XOR:
        a = st[--sp];
        st[sp - 1] ^= a;
        break;
      case SHR:
        a = st[--sp];
        st[sp - 1] >>= a & 31;
        break;
      case LT:
        a = st[--sp];
        st[sp - 1] = st[sp - 1] < a;
        break;
      case DUP:
        st[sp] = st[sp - 1];
        sp++;
        break;
      case LDX:
        st[sp - 1] = mem[256 + (st[sp - 1] & 1023)];
        break;
      case STX:
        a = st[--sp];
        mem[256 + (a & 1023)] = st[--sp];
        break;
      case JZ:
        a = code[pc] | (uint32_t)code[pc + 1] << 8;
        pc += 2;
        if (!st[--sp]) pc = a;
        break;
      case JMP:
        pc = code[pc] | (uint32_t)code[pc + 1] << 8;
        break;
      default:
        return steps;
    }
  }
}

uint64_t run_interp(uint32_t n) {
  // for (i = 0; i < 60000; i++) {
  //   x = x * 1103 + 12345 + i;
  //   t[i] ^= x >> 7;
  //   if (x & 64) sum += t[x]; else sum ^= x;
  // }
  // clang-format off
  static const uint8_t prog[] = {
      /*  0 */ PUSH,0,0, STORE,0,
      /*  5 */ LOAD,0, PUSH,0x60,0xea, LT, JZ,78,0,
      /* 14 */ LOAD,1, PUSH,0x4f,4, MUL, PUSH,0x39,0x30, ADD, LOAD,0, ADD, STORE,1,
      /* 29 */ LOAD,0, LDX, LOAD,1, PUSH,7,0, SHR, XOR, LOAD,0, STX,
      /* 42 */ LOAD,1, PUSH,64,0, AND, JZ,60,0,
      /* 51 */ LOAD,2, LOAD,1, LDX, ADD, JMP,65,0,
      /* 60 */ LOAD,2, LOAD,1, XOR,
      /* 65 */ STORE,2, LOAD,0, PUSH,1,0, ADD, STORE,0, JMP,5,0,
      /* 78 */ HALT,
  };
  // clang-format on
  static uint32_t mem[256 + 1024];
  uint64_t h = 0;
  memset(mem, 0, sizeof mem);
  for (uint32_t it = 0; it < n; it++) {
    mem[1] ^= it;
    h = mix(h, vm(prog, mem));
    h = mix(h, mem[2]);
  }
  return h;
}
