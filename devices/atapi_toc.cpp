// What a CD-ROM drive tells about the disc in it: one session, with one track of data.

#include <array>

#include "devices/atapi_cdrom.h"

namespace doppel::devices {

using namespace atapi;

namespace {

constexpr u8 kDataTrack =
    0x14;  // Position in the Q sub-channel; track of data, copying prohibited.
constexpr u8 kLeadOut = 0xaa;
constexpr u32 kPregapBlocks = 150;  // Block 0 is at 00:02:00.

/// A block as minute, second and frame.
std::array<u8, 3> msf(u32 block) {
  const u32 frames = block + kPregapBlocks;
  return {static_cast<u8>(frames / (60 * 75)), static_cast<u8>(frames / 75 % 60),
          static_cast<u8>(frames % 75)};
}

void put_address(u8* at, u32 block, bool as_msf) {
  if (!as_msf) return put32(at, block);
  const auto parts = msf(block);
  at[0] = 0;
  for (unsigned i = 0; i < 3; ++i) at[1 + i] = parts[i];
}

/// The two sides of the answer's head: how much follows, and the first and last of it.
void put_toc_head(u8* out, size_t size) {
  put16(out, static_cast<u32>(size - 2));
  out[2] = out[3] = 1;
}

size_t put_tracks(u8* out, u8 first_track, u32 blocks, bool as_msf) {
  size_t size = 4;
  const auto put_track = [&](u8 track, u32 block) {
    out[size + 1] = kDataTrack;
    out[size + 2] = track;
    put_address(out + size + 4, block, as_msf);
    size += 8;
  };
  if (first_track <= 1) put_track(1, 0);
  put_track(kLeadOut, blocks);
  return size;
}

size_t put_sessions(u8* out, bool as_msf) {
  out[5] = kDataTrack;
  out[6] = 1;  // First track of the last session.
  put_address(out + 8, 0, as_msf);
  return 12;
}

/// As the lead-in has it: first track, last track, lead-out, and the track.
size_t put_raw(u8* out, u32 blocks) {
  size_t size = 4;
  const auto put_point = [&](u8 point, std::array<u8, 3> address) {
    out[size] = 1;  // Session.
    out[size + 1] = kDataTrack;
    out[size + 3] = point;
    for (unsigned i = 0; i < 3; ++i) out[size + 8 + i] = address[i];
    size += 11;
  };
  put_point(0xa0, {1, 0, 0});
  put_point(0xa1, {1, 0, 0});
  put_point(0xa2, msf(blocks));
  put_point(1, msf(0));
  return size;
}

}  // namespace

/// @source  MMC-3, "READ TOC/PMA/ATIP Command"
void AtapiCdrom::read_toc() {
  const bool as_msf = (packet_byte(1) & 2) != 0;
  const u8 start = packet_byte(6);
  unsigned format = packet_byte(2) & 0x0f;
  // SFF-8020 has the format elsewhere.
  if (format == 0) format = packet_byte(9) >> 6;
  u8* out = blank_reply().data();
  size_t size = 0;
  switch (format) {
    case 0:
      if (start > 1 && start != kLeadOut) return fail_packet(kInvalidField);
      size = put_tracks(out, start, blocks(), as_msf);
      break;
    case 1:
      size = put_sessions(out, as_msf);
      break;
    case 2:
      size = put_raw(out, blocks());
      break;
    default:
      return fail_packet(kInvalidField);
  }
  put_toc_head(out, size);
  reply(size, packet_word(7));
}

void AtapiCdrom::read_subchannel() {
  const bool wants_data = (packet_byte(2) & 0x40) != 0;
  const u8 format = packet_byte(3);
  u8* out = blank_reply().data();
  out[1] = 0x15;  // Nothing plays.
  if (!wants_data) return reply(4, packet_word(7));
  out[4] = format;
  size_t size = 0;
  switch (format) {
    case 1:  // Where the head is: at the beginning.
      out[5] = kDataTrack;
      out[6] = out[7] = 1;
      put_address(out + 8, 0, (packet_byte(1) & 2) != 0);
      put_address(out + 12, 0, (packet_byte(1) & 2) != 0);
      size = 16;
      break;
    case 2:  // Catalogue number and ISRC: there is none.
    case 3:
      size = 24;
      break;
    default:
      return fail_packet(kInvalidField);
  }
  put16(out + 2, static_cast<u32>(size - 4));
  reply(size, packet_word(7));
}

void AtapiCdrom::read_disc_information() {
  u8* out = blank_reply().data();
  put16(out, 32);
  out[2] = 0x0e;  // Disc and last session are complete.
  out[3] = 1;     // First track; then sessions, and the last session's first and last track.
  out[4] = out[5] = out[6] = 1;
  out[7] = 0x20;  // For unrestricted use.
  reply(34, packet_word(7));
}

void AtapiCdrom::read_track_information() {
  const unsigned kind = packet_byte(1) & 3;
  const u32 value = packet_dword(2);
  const bool exists = kind == 0 ? in_range(value, 1) : kind != 3 && value == 1;
  if (!exists) return fail_packet(kInvalidField);
  u8* out = blank_reply().data();
  put16(out, 34);
  out[2] = out[3] = 1;  // Track and session.
  out[5] = 0x04;        // Data...
  out[6] = 0x01;        // ...of mode 1.
  put32(out + 24, blocks());
  reply(36, packet_word(7));
}

}  // namespace doppel::devices
