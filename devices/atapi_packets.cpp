// What the packets of a CD-ROM drive mean.
//
// Each function ends in one of four ways: reply (data for the host), start_read (data from the
// disc), end_packet, or fail_packet.

#include <algorithm>
#include <string_view>

#include "devices/atapi_cdrom.h"

namespace doppel::devices {

using namespace atapi;

namespace {

constexpr size_t kReplyBytes = 128;

// Profiles of GET CONFIGURATION.
constexpr u32 kProfileCdRom = 0x0008;
constexpr u32 kProfileDvdRom = 0x0010;
/// 80 minutes of 75 blocks a second; what is larger must be a DVD.
constexpr u32 kMostCdBlocks = 80 * 60 * 75;

/// These tell about the drive, and are answered while news about the disc is outstanding.
bool ignores_attention(u8 code) {
  return code == kInquiry || code == kRequestSense || code == kGetConfiguration ||
         code == kGetEventStatus;
}

bool needs_disc(u8 code) {
  switch (code) {
    case kTestUnitReady:
    case kReadCapacity:
    case kRead10:
    case kRead12:
    case kReadCd:
    case kSeek10:
    case kReadSubchannel:
    case kReadToc:
    case kReadDiscInformation:
    case kReadTrackInformation:
      return true;
    default:
      return false;
  }
}

void put_text(u8* at, size_t size, std::string_view text) {
  for (size_t i = 0; i < size; ++i) at[i] = i < text.size() ? static_cast<u8>(text[i]) : u8{' '};
}

}  // namespace

void AtapiCdrom::run_packet() {
  const u8 code = packet_byte(0);
  if (code != kRequestSense) sense_ = {};
  if (attention_ && !ignores_attention(code)) {
    attention_ = false;
    return fail_packet(kDiscChanged);
  }
  if (needs_disc(code) && !has_disc()) return fail_packet(tray_open_ ? kTrayOpen : kNoDisc);
  switch (code) {
    case kTestUnitReady:
    case kSetCdSpeed:
      return end_packet();
    case kSeek10:
      return in_range(packet_dword(2), 1) ? end_packet() : fail_packet(kOutOfRange);
    case kRead10:
      return start_read(packet_dword(2), packet_word(7));
    case kRead12:
      return start_read(packet_dword(2), packet_dword(6));
    case kReadCd:
      return read_cd();
    case kRequestSense:
      return request_sense();
    case kInquiry:
      return inquiry();
    case kModeSense6:
      return mode_sense(false);
    case kModeSense10:
      return mode_sense(true);
    case kModeSelect6:
    case kModeSelect10:
      remaining_ = code == kModeSelect6 ? packet_byte(4) : packet_word(7);
      task_ = Task::Discard;
      return ask_for_parameters();
    case kReadCapacity:
      return read_capacity();
    case kReadToc:
      return read_toc();
    case kReadSubchannel:
      return read_subchannel();
    case kGetConfiguration:
      return get_configuration();
    case kGetEventStatus:
      return get_event_status();
    case kReadDiscInformation:
      return read_disc_information();
    case kReadTrackInformation:
      return read_track_information();
    case kStartStopUnit:
      return start_stop();
    case kPreventAllow:
      locked_ = (packet_byte(4) & 1) != 0;
      return end_packet();
    case kMechanismStatus:
      return mechanism_status();
    default:
      return fail_packet(kUnknownCommand);
  }
}

/// Zeros to write an answer into; reply() cuts them to size.
std::span<u8> AtapiCdrom::blank_reply() {
  const std::span<u8> out = fresh_buffer(kReplyBytes);
  std::ranges::fill(out, u8{0});
  return out;
}

void AtapiCdrom::reply(size_t size_bytes, size_t allocated) {
  shrink_buffer(std::min(size_bytes, allocated));
  if (buffer().empty()) return end_packet();
  task_ = Task::Reply;
  offer_more();
}

// --- Blocks ---

void AtapiCdrom::start_read(u32 block, u32 count) {
  if (!in_range(block, count)) return fail_packet(kOutOfRange);
  if (count == 0) return end_packet();
  block_ = block;
  remaining_ = count;
  fresh_buffer(0);
  task_ = Task::Read;
  read_more();
}

/// Simplified: user data of data blocks only; headers, audio and sub-channels are refused.
void AtapiCdrom::read_cd() {
  const u32 count = u32{packet_byte(6)} << 16 | packet_word(7);
  const u8 parts = packet_byte(9) & 0xf8;
  const unsigned type = packet_byte(1) >> 2 & 7;
  const bool is_data = type == 0 || type == 2 || type == 4;
  if (!is_data || (packet_byte(10) & 7) != 0) return fail_packet(kInvalidField);
  if (parts == 0x10) return start_read(packet_dword(2), count);
  if (parts == 0) return in_range(packet_dword(2), count) ? end_packet() : fail_packet(kOutOfRange);
  fail_packet(kInvalidField);
}

void AtapiCdrom::read_capacity() {
  if (blocks() == 0) return fail_packet(kReadError);
  u8* out = blank_reply().data();
  put32(out, blocks() - 1);
  put32(out + 4, kBlockBytes);
  reply(8, 8);
}

// --- The drive ---

void AtapiCdrom::request_sense() {
  if (attention_ && sense_.key == 0) {
    sense_ = kDiscChanged;
    attention_ = false;
  }
  u8* out = blank_reply().data();
  out[0] = 0x70;
  out[2] = sense_.key;
  out[7] = 10;
  out[12] = sense_.code;
  out[13] = sense_.qualifier;
  sense_ = {};
  reply(18, packet_byte(4));
}

void AtapiCdrom::inquiry() {
  if ((packet_byte(1) & 1) != 0) return fail_packet(kInvalidField);  // No vital product data.
  u8* out = blank_reply().data();
  out[0] = 0x05;  // CD-ROM.
  out[1] = 0x80;  // Takes discs out.
  out[3] = 0x21;  // ATAPI version, and the form of this answer.
  out[4] = 31;
  put_text(out + 8, 8, "doppel");
  put_text(out + 16, 16, "CD-ROM");
  put_text(out + 32, 4, "1.0");
  reply(36, packet_word(3));
}

/// @source  MMC-3, "Mode select/sense parameters"
void AtapiCdrom::mode_sense(bool is_long) {
  const unsigned page = packet_byte(2) & 0x3f;
  const unsigned control = packet_byte(2) >> 6;
  if (control == 3) return fail_packet(kNoSavedPages);
  u8* out = blank_reply().data();
  const size_t header = is_long ? 8 : 4;
  size_t size = header;
  const bool wants_values = control != 1;  // Otherwise: which bits can be changed, and none can.
  const auto begin_page = [&](u8 code, u8 length) {
    u8* at = out + size;
    at[0] = code;
    at[1] = static_cast<u8>(length);
    size += 2u + length;
    return at;
  };
  if (page == 0x01 || page == 0x3f) {
    u8* at = begin_page(0x01, 6);  // Error recovery.
    if (wants_values) at[3] = 5;   // Retries.
  }
  if (page == 0x0e || page == 0x3f) {
    u8* at = begin_page(0x0e, 14);  // Audio: port 0 is left, port 1 right, both at full volume.
    if (wants_values) {
      at[2] = 0x04;
      at[8] = 1;
      at[9] = 0xff;
      at[10] = 2;
      at[11] = 0xff;
    }
  }
  if (page == 0x2a || page == 0x3f) {
    u8* at = begin_page(0x2a, 18);  // Capabilities.
    if (wants_values) {
      at[2] = 0x3b;  // Reads CD-R, CD-RW, DVD-ROM and DVD-R.
      at[4] = 0x70;  // Both data forms, several sessions.
      at[6] = static_cast<u8>(0x29 | (locked_ ? 0x02 : 0));  // A tray that locks and opens.
      put16(at + 8, 706);                                    // 4 x.
      put16(at + 10, 2);                                     // Volume levels: on and off.
      put16(at + 12, 512);                                   // KiB of buffer.
      put16(at + 14, 706);
    }
  }
  if (size == header) return fail_packet(kInvalidField);
  const u8 medium_type = tray_open_ ? 0x71 : has_disc() ? 0x01 : 0x70;
  if (is_long) {
    put16(out, static_cast<u32>(size - 2));
    out[2] = medium_type;
  } else {
    out[0] = static_cast<u8>(size - 1);
    out[1] = medium_type;
  }
  reply(size, is_long ? packet_word(7) : packet_byte(4));
}

/// @source  MMC-3, "GET CONFIGURATION Command" and "Features"
void AtapiCdrom::get_configuration() {
  const unsigned request = packet_byte(1) & 3;
  const u32 first = packet_word(2);
  if (request == 3) return fail_packet(kInvalidField);
  u8* out = blank_reply().data();
  const bool is_dvd = blocks() > kMostCdBlocks;
  const bool is_cd = has_disc() && !is_dvd;
  size_t size = 8;
  // Space for a feature that is asked for; otherwise null.
  const auto begin_feature = [&](u32 code, u8 flags, bool current, u8 length) -> u8* {
    const bool wanted = request == 2 ? code == first : code >= first;
    if (!wanted || (request == 1 && !current)) return nullptr;
    u8* at = out + size;
    put16(at, code);
    at[2] = static_cast<u8>(flags | (current ? 1 : 0));
    at[3] = length;
    size += 4u + length;
    return at + 4;
  };
  constexpr u8 kPersistent = 0x02;
  if (u8* at = begin_feature(0x0000, kPersistent, true, 8)) {  // Profile list.
    put16(at, kProfileDvdRom);
    at[2] = is_dvd ? 1 : 0;
    put16(at + 4, kProfileCdRom);
    at[6] = is_cd ? 1 : 0;
  }
  if (u8* at = begin_feature(0x0001, 0x04 | kPersistent, true, 4)) put32(at, 2);  // Core: ATAPI.
  if (u8* at = begin_feature(0x0002, kPersistent, true, 4)) at[0] = 0;     // Morphing: by polling.
  if (u8* at = begin_feature(0x0003, kPersistent, true, 4)) at[0] = 0x29;  // As page 2Ah has it.
  if (u8* at = begin_feature(0x0010, 0, has_disc(), 8)) {                  // Random readable.
    put32(at, kBlockBytes);
    put16(at + 4, 1);
  }
  begin_feature(0x001e, 0, is_cd, 4);   // CD read.
  begin_feature(0x001f, 0, is_dvd, 0);  // DVD read.
  put32(out, static_cast<u32>(size - 4));
  put16(out + 6, is_dvd ? kProfileDvdRom : is_cd ? kProfileCdRom : 0);
  reply(size, packet_word(7));
}

void AtapiCdrom::get_event_status() {
  // Only polling: nothing here could answer later by itself.
  if ((packet_byte(1) & 1) == 0) return fail_packet(kInvalidField);
  constexpr u8 kMediaClass = 4;
  constexpr u8 kMediaClassBit = 1u << kMediaClass;
  constexpr u8 kNoEventAvailable = 0x80;
  u8* out = blank_reply().data();
  out[3] = kMediaClassBit;
  if ((packet_byte(4) & kMediaClassBit) == 0) {
    put16(out, 2);
    out[2] = kNoEventAvailable;
    return reply(4, packet_word(7));
  }
  put16(out, 6);
  out[2] = kMediaClass;
  out[4] = event_;
  out[5] = static_cast<u8>((tray_open_ ? 1 : 0) | (has_disc() ? 2 : 0));
  // An answer too short for the event does not use it up.
  if (packet_word(7) > 4) event_ = 0;
  reply(8, packet_word(7));
}

void AtapiCdrom::start_stop() {
  const bool start = (packet_byte(4) & 1) != 0;
  const bool moves_tray = (packet_byte(4) & 2) != 0;
  if (!moves_tray) return end_packet();
  if (!start) {
    if (locked_) return fail_packet(kRemovalPrevented);
    if (!tray_open_) {
      if (has_disc()) event_ = kEventMediaRemoval;
      tray_open_ = true;
      attention_ = false;
      if (on_eject_) on_eject_();
    }
  } else if (tray_open_) {
    tray_open_ = false;
    if (has_disc()) {
      attention_ = true;
      event_ = kEventNewMedia;
    }
  }
  end_packet();
}

void AtapiCdrom::mechanism_status() {
  u8* out = blank_reply().data();
  out[1] = tray_open_ ? 0x10 : 0;
  out[5] = 1;  // Slots, of which nothing follows.
  reply(8, packet_word(8));
}

}  // namespace doppel::devices
