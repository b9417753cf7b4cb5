#pragma once

// A packet on its way out of an e1000: gathered from descriptors, finished, and perhaps cut up.
//
//     | headers | data .................................. |      what the driver gives
//
//     | headers' | data 0 |  | headers' | data 1 |  ...          what leaves: MSS bytes of data each
//
// A context says where the headers are and which checksums are to be put in. When a packet is cut,
// each piece gets the headers with its own length, number and position in the stream.

#include <functional>
#include <span>
#include <vector>

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

namespace doppel::devices {

/// @source  Intel 8254x Software Developer's Manual, "TCP/IP Transmit Descriptor" (3.3.6) and
///          "TCP Segmentation" (3.5)
class E1000Packet {
 public:
  /// A checksum of bytes [start, end], put in at `offset`; an `end` of 0 is the packet's.
  struct Checksum {
    u8 start = 0;
    u8 offset = 0;
    u16 end = 0;
    void serialize(Archive& archive) { archive(start, offset, end); }
  };
  struct Context {
    Checksum ip;
    Checksum transport;
    u8 header_bytes = 0;
    u16 segment_bytes = 0;  ///< MSS.
    bool is_tcp = false;
    bool is_ipv4 = false;
    void serialize(Archive& archive) {
      archive(ip, transport, header_bytes, segment_bytes, is_tcp, is_ipv4);
    }
  };
  /// What the first descriptor of a packet asks for.
  struct Wishes {
    bool segment = false;
    bool ip_checksum = false;
    bool transport_checksum = false;
    Context context;
    void serialize(Archive& archive) {
      archive(segment, ip_checksum, transport_checksum, context);
    }
  };
  /// `send` gets whole frames, of at most kMaxFrameBytes.
  explicit E1000Packet(std::function<void(std::span<const u8>)> send) : send_(std::move(send)) {}

  bool empty() const { return !begun_; }
  void begin(const Wishes& wishes);
  /// The tag that goes in behind the addresses.
  void set_vlan(u16 type, u16 tag);

  void add(std::span<const u8> bytes);
  /// It is too long, or cannot be cut as asked: nothing more of it will leave.
  bool is_lost() const { return lost_; }

  /// The last descriptor was seen. True if the packet was cut.
  bool finish();

  void clear();
  void serialize(Archive& archive);

 private:
  bool has_headers() const { return headers_.size() == wishes_.context.header_bytes; }
  size_t most_bytes() const;
  void make_room();
  void send_segment(bool is_last);
  void adjust_headers(bool is_last);
  void add_length_to_pseudo_header();
  void put_checksum(const Checksum& checksum);
  void send();

  std::function<void(std::span<const u8>)> send_;
  bool begun_ = false;
  bool lost_ = false;
  Wishes wishes_;
  std::vector<u8> bytes_;    // Headers and the data of one segment, or the whole packet.
  std::vector<u8> headers_;  // As the driver gave them, once they are complete.
  u32 segments_ = 0;         // That have left.
  bool tagged_ = false;
  u16 tag_type_ = 0;
  u16 tag_ = 0;
};

}  // namespace doppel::devices
